import { NewKey } from '@/lib/requests-admin';
import { forAdministrators } from '@/server/route';
import { limitsOn } from '@/server/system';

/** Keys with their masks: no door gives a secret back. */
export const GET = forAdministrators({}, ({ kc }) => kc.keys.list());

export const POST = forAdministrators({ body: NewKey }, async ({ kc, user, body }) => {
  const { server, service, secret, label, ...limits } = body;
  return kc.keys.by(user.id).add(server, service, secret, { label, limits: await limitsOn(kc, server, limits) });
});
