import { KeyChange, KeyId } from '@/lib/requests-admin';
import { forAdministrators } from '@/server/route';
import { limitsOn } from '@/server/system';

/** Switches a key on or off, or sets its limits. */
export const PATCH = forAdministrators({ params: KeyId, body: KeyChange }, async ({ kc, params, body }) => {
  const { keys } = kc;
  if ('limits' in body) {
    const { server } = await keys.get(params.id);
    return keys.setLimits(params.id, await limitsOn(kc, server, body.limits));
  }
  return body.switch === 'on' ? keys.enable(params.id) : keys.disable(params.id);
});

/** Removes a key for good. */
export const DELETE = forAdministrators({ params: KeyId }, ({ kc, params }) => kc.keys.remove(params.id));
