/** HTTP ranges (RFC 9110, section 14): which bytes of a representation an answer has. */

/** The bytes from `start` to before `end`. */
export interface Part {
  readonly start: number;
  readonly end: number;
}

const ONE_RANGE = /^bytes=(\d*)-(\d*)$/;

/**
 * What of `length` bytes a request asks for. A range of another version (`If-Range`) or for another method than GET,
 * several ranges, another unit and what is no range at all are left aside, as the RFC allows or demands: all of it is
 * sent.
 */
export function partOf({ method, headers }: Request, length: number, etag: string): Part | 'all' | 'none' {
  const version = headers.get('if-range');
  const range = ONE_RANGE.exec(headers.get('range') ?? '');
  if (method !== 'GET' || range === null || (version !== null && version !== etag)) return 'all';
  const [first = '', last = ''] = range.slice(1);
  if (first === '' && last === '') return 'all';
  if (first === '') return Number(last) > 0 ? { start: Math.max(0, length - Number(last)), end: length } : 'none';
  if (last !== '' && Number(last) < Number(first)) return 'all';
  if (Number(first) >= length) return 'none';
  return { start: Number(first), end: last === '' ? length : Math.min(Number(last) + 1, length) };
}
