import { JobId } from '@/lib/requests';
import { forUsers } from '@/server/route';
import { jobOf } from '@/server/speech';
import { jobDetail } from '@/server/views';

export const GET = forUsers({ params: JobId }, async ({ kc, params, language }) => {
  const [, report] = await jobOf(kc, params.id);
  return jobDetail(report, language);
});

/** Ends it as far as it has not begun; what has is run to its end and charged, the rest is given back. */
export const DELETE = forUsers({ params: JobId }, async ({ kc, params, language }) => {
  const [job] = await jobOf(kc, params.id);
  return jobDetail(await job.cancel(), language);
});
