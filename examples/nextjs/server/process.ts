/** The library in the life of the server's process. */

import 'server-only';

import { markAddresses } from './address';
import { kingcong, refuseMore } from './kingcong';
import { settings } from './settings';

/** Opens the library, and closes it before the process ends, so that what is under way is finished. */
export async function begin(): Promise<void> {
  // What is missing is told now, and not to the first user.
  void [settings.usersFile, settings.sessionsFolder, settings.paymentSecret];
  markAddresses(settings.proxies);
  const kc = await kingcong();
  // Next.js would end the process while the library finishes: with this it leaves signals to us.
  if (process.env['NEXT_MANUAL_SIG_HANDLE'] === undefined) return;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    // As often as it is said: a second one must not end the process meanwhile.
    process.on(signal, () => {
      refuseMore();
      void kc.close().finally(() => process.exit(0));
    });
  }
}
