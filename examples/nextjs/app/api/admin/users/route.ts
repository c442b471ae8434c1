import { forAdministrators, refuseMembers } from '@/server/route';
import { users } from '@/server/users';
import { userView } from '@/server/views-admin';

export const GET = forAdministrators({}, async ({ kc, user: asker }) => {
  refuseMembers(asker);
  const all = await users().list();
  return Promise.all(all.map(async (user) => userView(user, await kc.wallets.get(user.id))));
});
