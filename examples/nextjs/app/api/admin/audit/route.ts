import { z } from 'zod';

import { forAdministrators } from '@/server/route';
import { auditView } from '@/server/views-admin';

const PAGE = 50;
/** Entries that one millisecond can have. */
const TOGETHER_MAX = 50;
const Query = z.object({ at: z.iso.datetime(), id: z.uuid() }).partial();

/** What was done at admin doors, newest first, older than the entry `id` of the instant `at`. */
export const GET = forAdministrators({ query: Query }, async ({ kc, query: { at, id } }) => {
  // On their way to the browser instants lose their microseconds: the entry's whole millisecond is read again.
  const before = at === undefined ? undefined : new Date(Date.parse(at) + 1);
  const read = await kc.reports.audit({ before, limit: PAGE + TOGETHER_MAX });
  const from = read.findIndex((entry) => entry.id === id) + 1;
  const entries = read.slice(from, from + PAGE);
  const last = entries.at(-1);
  const isLast = last === undefined || last === read.at(-1);
  return { entries: entries.map(auditView), next: isLast ? null : { at: last.at, id: last.id } };
});
