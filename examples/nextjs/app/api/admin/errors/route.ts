import { z } from 'zod';

import { RouteId } from '@/lib/requests-admin';
import { forAdministrators } from '@/server/route';
import { routeNames } from '@/server/system';
import { errorView } from '@/server/views-admin';

const PAGE = 50;
const Query = RouteId.partial().extend({ before: z.uuid().optional() });

/** The error log, newest first, older than the attempt `before`. */
export const GET = forAdministrators({ query: Query }, async ({ kc, query }) => {
  const [records, system, keys] = await Promise.all([
    kc.reports.errors({ ...query, limit: PAGE }),
    kc.config.get(),
    kc.keys.list(),
  ]);
  const names = routeNames(system);
  return {
    errors: records.map((record) => errorView(record, names, keys)),
    next: records.length < PAGE ? null : (records.at(-1)?.attempt ?? null),
  };
});
