/** The library in the life of the server's process. */

import 'server-only';

import { kingcong } from './kingcong';

/** Opens the library, and closes it before the process ends, so that what is under way is finished. */
export async function begin(): Promise<void> {
  const kc = await kingcong();
  // Next.js would end the process while the library finishes: with this it leaves signals to us.
  if (process.env['NEXT_MANUAL_SIG_HANDLE'] === undefined) return;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => void kc.close().finally(() => process.exit(0)));
  }
}
