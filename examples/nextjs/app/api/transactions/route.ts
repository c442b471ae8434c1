import { z } from 'zod';

import { EntryFilter } from '@/lib/requests';
import { forUsers } from '@/server/route';
import { entries } from '@/server/transactions';
import { entryView, type EntryView } from '@/server/views';

const PAGE = 50;
const Query = EntryFilter.extend({ before: z.coerce.number().int().min(1).optional() });

/** What was bought, used and given back, newest first. */
export const GET = forUsers({ query: Query }, async ({ kc, user, query: { before, ...filter } }) => {
  const page: EntryView[] = [];
  for await (const entry of entries(kc, user.id, filter, before)) {
    page.push(entryView(entry));
    if (page.length === PAGE) return { entries: page, next: entry.number === 1 ? null : entry.number };
  }
  return { entries: page, next: null };
});
