import 'server-only';

import { KingCong } from 'kingcong';

import { settings } from './settings';

/** The library, opened once in a process, however often `next dev` loads this module. */
export function kingcong(): Promise<KingCong> {
  // The master key is KINGCONG_MASTER_KEY.
  return KingCong.shared(settings.databaseUrl, { preset: 'kingcong', role: settings.role });
}
