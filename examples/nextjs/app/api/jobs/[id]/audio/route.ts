import { JobId } from '@/lib/requests';
import { partOf } from '@/server/range';
import { forUsers } from '@/server/route';
import { jobOf } from '@/server/speech';

/** The speech of a completed job, as a stream; a player may ask for a part of it. */
export const GET = forUsers({ params: JobId }, async ({ kc, params, request }) => {
  const [job] = await jobOf(kc, params.id);
  const audio = await job.audio();
  // A completed job's audio never changes.
  const etag = `"${params.id}"`;
  const headers = new Headers({
    'Content-Type': audio.contentType,
    'Accept-Ranges': 'bytes',
    ETag: etag,
    'Cache-Control': 'private, max-age=3600',
    Vary: 'Cookie',
    'Content-Disposition': `inline; filename="${params.id}.${audio.contentType === 'audio/wav' ? 'wav' : 'mp3'}"`,
  });
  const part = partOf(request, audio.length, etag);
  if (part === 'none') {
    headers.set('Content-Range', `bytes */${audio.length}`);
    return new Response(null, { status: 416, headers });
  }
  const { start, end } = part === 'all' ? { start: 0, end: audio.length } : part;
  if (part !== 'all') headers.set('Content-Range', `bytes ${start}-${end - 1}/${audio.length}`);
  return new Response(audio.stream(start, end), { status: part === 'all' ? 200 : 206, headers });
});
