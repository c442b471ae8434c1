/** Tells a database of the upstreams that are played: where they are, and keys for them. */

import { KingCong, KingCongError } from 'kingcong';

/**
 * @param {string} url
 * @param {string} masterKey
 * @param {Readonly<Record<string, { readonly url: string, readonly keys: readonly string[] }>>} upstreams
 */
export async function seed(url, masterKey, upstreams) {
  const kc = await KingCong.open(url, { preset: 'kingcong', masterKey, mode: 'client' });
  const demo = kc.acting({ actor: 'demo', role: 'operator' });
  try {
    const { servers, routes } = await kc.config.get();
    for (const { id } of servers) {
      const played = upstreams[id];
      if (played === undefined) continue;
      await demo.config.updateServer(id, { baseUrl: played.url });
      const services = routes.filter((route) => route.server === id).map(({ service }) => service);
      for (const [place, secret] of played.keys.entries()) {
        const service = services[place % services.length];
        if (service !== undefined) {
          await demo.keys.add(id, service, secret, { label: `demo ${place + 1}` }).catch(registered);
        }
      }
    }
  } finally {
    await kc.close();
  }
}

/**
 * A key that is there already is as good.
 *
 * @param {unknown} error
 */
function registered(error) {
  if (!(error instanceof KingCongError && error.code === 'key_refused')) throw error;
}
