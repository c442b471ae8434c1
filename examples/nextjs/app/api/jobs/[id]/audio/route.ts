import { JobId } from '@/lib/requests';
import { forUsers } from '@/server/route';
import { ownSpeech } from '@/server/speech';

const RANGE = /^bytes=(\d*)-(\d*)$/;

/** The first and last byte that are asked for; null for what is no range of so many bytes. */
function rangeOf(header: string, bytes: number): [number, number] | null {
  const [, first = '', last = ''] = RANGE.exec(header) ?? [];
  if (first === '' && last === '') return null;
  const from = first === '' ? Math.max(0, bytes - Number(last)) : Number(first);
  const to = first === '' || last === '' ? bytes - 1 : Math.min(Number(last), bytes - 1);
  return from <= to ? [from, to] : null;
}

/** The speech of a completed job; a player may ask for a part of it. */
export const GET = forUsers({ params: JobId }, async ({ kc, user, params, request }) => {
  const { audio, contentType } = await ownSpeech(kc, user, params.id);
  const headers = new Headers({
    'Content-Type': contentType,
    'Accept-Ranges': 'bytes',
    'Cache-Control': 'private, max-age=3600',
    Vary: 'Cookie',
    'Content-Disposition': `inline; filename="${params.id}.${contentType === 'audio/wav' ? 'wav' : 'mp3'}"`,
  });
  const asked = request.headers.get('range');
  // Several parts, or another unit, may be ignored.
  if (asked === null || !RANGE.test(asked)) return new Response(new Uint8Array(audio), { headers });
  const range = rangeOf(asked, audio.length);
  if (range === null) {
    headers.set('Content-Range', `bytes */${audio.length}`);
    return new Response(null, { status: 416, headers });
  }
  const [from, to] = range;
  headers.set('Content-Range', `bytes ${from}-${to}/${audio.length}`);
  return new Response(new Uint8Array(audio.subarray(from, to + 1)), { status: 206, headers });
});
