import type { KingCong, Voice } from 'kingcong';
import { z } from 'zod';

import { forUsers } from '@/server/route';

/** Pages of voices that are asked for; more than anybody looks through in a list. */
const PAGES_MAX = 5;
/** How long the upstream's list is kept: voices come and go rarely. */
const FRESH_MS = 5 * 60 * 1000;

const lists = new Map<string, { readonly voices: Promise<Voice[]>; readonly until: number }>();

/** The voices that a service offers, as a server lists them that serves it and has a key. */
export const GET = forUsers(
  { query: z.object({ service: z.string().max(64) }) },
  async ({ library, query: { service } }) => {
    const { routes } = await library.status();
    const route = routes.find((route) => route.service === service && route.switch === 'on' && route.keys > 0);
    // Nobody serves it now, and the status bar says so.
    if (route === undefined) return [];
    const voices = await listed(library, route.server, service);
    return voices.map(({ voice, name, language }) => ({ voice, name, language }));
  },
);

function listed(kc: KingCong, server: string, service: string): Promise<Voice[]> {
  const name = `${server}/${service}`;
  const known = lists.get(name);
  if (known !== undefined && known.until > Date.now()) return known.voices;
  const voices = offered(kc, server, service);
  lists.set(name, { voices, until: Date.now() + FRESH_MS });
  // A failure is not kept.
  voices.catch(() => lists.delete(name));
  return voices;
}

async function offered(kc: KingCong, server: string, service: string): Promise<Voice[]> {
  // An account's own voices may come from the library, and then are listed in both.
  const voices = new Map<string, Voice>();
  let page: string | undefined;
  for (let asked = 0; asked < PAGES_MAX; asked += 1) {
    const answer = await kc.voices.offered(server, service, { page });
    for (const voice of answer.voices) {
      // The account's cloned voices are those of all users: each sees their own elsewhere.
      if (voice.origin === 'library') voices.set(voice.voice, voice);
    }
    if (answer.next === null) break;
    page = answer.next;
  }
  return [...voices.values()];
}
