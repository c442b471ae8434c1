import 'server-only';

import type { Entry, Doors } from 'kingcong';

import type { EntryFilter } from '@/lib/requests';

/** Entries that are read at once. */
const READ = 1_000;

function isWanted(entry: Entry, filter: EntryFilter): boolean {
  const day = entry.at.toISOString().slice(0, 10);
  if (filter.kind !== undefined && entry.kind !== filter.kind) return false;
  return (filter.from === undefined || day >= filter.from) && (filter.to === undefined || day <= filter.to);
}

/** A user's entries, newest first, numbered below `before`. */
export async function* entries(
  kc: Doors,
  user: string,
  filter: EntryFilter,
  before?: number,
): AsyncGenerator<Entry, void> {
  for (let from = before; ;) {
    const read = await kc.wallets.history(user, { before: from, limit: READ });
    for (const entry of read) {
      if (filter.from !== undefined && entry.at.toISOString().slice(0, 10) < filter.from) return;
      if (isWanted(entry, filter)) yield entry;
    }
    from = read.at(-1)?.number;
    // Numbers are dense from 1.
    if (from === undefined || from === 1 || read.length < READ) return;
  }
}
