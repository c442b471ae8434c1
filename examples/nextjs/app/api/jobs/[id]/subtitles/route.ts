import { JobId } from '@/lib/requests';
import { notThere } from '@/server/refused';
import { forUsers } from '@/server/route';
import { jobOf } from '@/server/speech';

/** The subtitles of a completed job, when they were asked for and the upstream made some. */
export const GET = forUsers({ params: JobId }, async ({ kc, params }) => {
  const [job] = await jobOf(kc, params.id);
  const srt = await job.subtitles();
  if (srt === null) throw notThere();
  const headers = {
    'Content-Type': 'application/x-subrip; charset=utf-8',
    'Cache-Control': 'private, max-age=3600',
    Vary: 'Cookie',
    'Content-Disposition': `inline; filename="${params.id}.srt"`,
  };
  return new Response(srt, { headers });
});
