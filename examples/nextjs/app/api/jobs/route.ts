import { z } from 'zod';

import { forUsers } from '@/server/route';
import { jobView } from '@/server/views';

const PAGE = 20;

/** The user's jobs, newest first, older than `before`. */
export const GET = forUsers({ query: z.object({ before: z.uuid().optional() }) }, async ({ kc, query: { before } }) => {
  const jobs = await kc.jobs({ before, limit: PAGE });
  return { jobs: jobs.map(jobView), next: jobs.length < PAGE ? null : (jobs.at(-1)?.id ?? null) };
});
