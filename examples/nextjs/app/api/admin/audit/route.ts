import { z } from 'zod';

import { forAdministrators } from '@/server/route';
import { auditView } from '@/server/views-admin';

const PAGE = 50;
const Query = z.object({ before: z.uuid() }).partial();

/** What was done at admin doors, and who was refused, newest first, older than the entry `before`. */
export const GET = forAdministrators({ query: Query }, async ({ kc, query }) => {
  // One more than a page tells whether there is another.
  const read = await kc.ofAll().reports.audit({ ...query, limit: PAGE + 1 });
  const entries = read.slice(0, PAGE);
  return { entries: entries.map(auditView), next: read.length > PAGE ? (entries.at(-1)?.id ?? null) : null };
});
