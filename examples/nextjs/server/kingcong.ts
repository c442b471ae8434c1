import 'server-only';

import { KingCong } from 'kingcong';

import { settings } from './settings';

/** The library, opened once in a process, however often `next dev` loads this module. */
export function kingcong(): Promise<KingCong> {
  return KingCong.shared(settings.databaseUrl, { preset: 'kingcong' }); // KINGCONG_MASTER_KEY
}
