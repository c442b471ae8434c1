import 'server-only';

import { KingCong } from 'kingcong';

import { Refused } from './refused';
import { settings } from './settings';

/** Set on the process, which may load this module more than once. */
const ENDING = Symbol.for('kingcong.example.ending');
const marks = globalThis as unknown as Record<symbol, true | undefined>;

/** The library, opened once in a process, however often `next dev` loads this module. */
export async function kingcong(): Promise<KingCong> {
  if (marks[ENDING]) {
    throw new Refused(503, 'ending', {
      en: 'The server is restarting. Please try again.',
      vi: 'Máy chủ đang khởi động lại. Vui lòng thử lại.',
    });
  }
  // The master key is KINGCONG_MASTER_KEY.
  return KingCong.shared(settings.databaseUrl, { preset: 'kingcong', mode: settings.mode });
}

/** From now on nobody gets the library: asked again it would open anew, and begin work that nobody finishes. */
export function refuseMore(): void {
  marks[ENDING] = true;
}
