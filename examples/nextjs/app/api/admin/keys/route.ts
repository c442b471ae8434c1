import { KingCongError } from 'kingcong';

import { NewKey } from '@/lib/requests-admin';
import { Refused } from '@/server/refused';
import { forAdministrators } from '@/server/route';
import { limitsOn } from '@/server/system';

/** Keys with their masks: no door gives a secret back. */
export const GET = forAdministrators({}, ({ kc }) => kc.keys.list());

export const POST = forAdministrators({ body: NewKey }, async ({ kc, body }) => {
  const { server, service, secret, label, account, ...given } = body;
  const limits = await limitsOn(kc, server, given);
  const known = (await kc.accounts.list()).some((known) => known.server === server && known.account === account);
  // An account that other keys are of keeps the limits that it has.
  const accountLimits = known ? undefined : await limitsOn(kc, server, {});
  const shared = account === '' ? {} : { account, accountLimits };
  return kc.keys.add(server, service, secret, { label, limits, ...shared }).catch(refuseAgain);
});

function refuseAgain(error: unknown): never {
  if (!(error instanceof KingCongError && error.code === 'key_refused')) throw error;
  throw new Refused(409, 'key_refused', {
    en: 'This key is there already, or of another account',
    vi: 'Key này đã có, hoặc thuộc tài khoản khác',
  });
}
