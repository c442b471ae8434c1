import 'server-only';

import type { KingCong } from 'kingcong';

import type { Language } from '@/lib/words';

import type { User } from './users';
import { statusView, type StatusView } from './views';

/** What the status bar shows a user. */
export async function statusOf(kc: KingCong, user: User, language: Language): Promise<StatusView> {
  const [status, system, wallet] = await Promise.all([kc.status(), kc.config.get(), kc.wallets.get(user.id)]);
  return statusView(status, new Map(system.services.map(({ id, name }) => [id, name])), wallet, language);
}
