import { SubmittedAdjustment, UserId } from '@/lib/requests-admin';
import { notThere } from '@/server/refused';
import { forAdministrators, refuseMembers } from '@/server/route';
import { users } from '@/server/users';

/** Corrects a user's balance, once for each idempotency key. */
export const POST = forAdministrators(
  { params: UserId, body: SubmittedAdjustment },
  async ({ kc, user, params, body: { change, ...why } }) => {
    refuseMembers(user);
    if ((await users().find(params.id)) === null) throw notThere();
    return kc.wallets.adjust(params.id, change, why);
  },
);
