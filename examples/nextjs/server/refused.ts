/** Why a request is refused, as an HTTP status, a word for programs and what users read. */

import type { ErrorCode, KingCongError } from 'kingcong';

import type { Language } from '@/lib/words';

export type Words = Readonly<Record<Language, string>>;

/** Something that this app refuses itself. */
export class Refused extends Error {
  readonly status: number;
  readonly code: string;
  readonly words: Words;
  /** What the answer says besides, such as when to try again. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: string, words: Words, headers: Readonly<Record<string, string>> = {}) {
    super(words.en);
    this.status = status;
    this.code = code;
    this.words = words;
    this.headers = headers;
  }
}

export const notThere = () => new Refused(404, 'not_found', { en: 'There is no such thing', vi: 'Không tìm thấy' });
/** What is still being sent of a body that was refused would be taken for the next request: the connection ends. */
export const tooLarge = () => {
  const words = { en: 'That is too large', vi: 'Dung lượng vượt quá giới hạn' };
  return new Refused(413, 'too_large', words, { Connection: 'close' });
};
export const invalid = (words: Words = { en: 'That is not valid', vi: 'Dữ liệu không hợp lệ' }) =>
  new Refused(422, 'invalid_request', words);

const STATUSES: Readonly<Partial<Record<ErrorCode, number>>> = {
  invalid_request: 422,
  under_maintenance: 503,
  no_route: 503,
  price_not_found: 503,
  voice_unavailable: 422,
  insufficient_credits: 402,
  in_debt: 402,
  amount_refused: 409,
  idempotency_conflict: 409,
  queue_full: 503,
  not_found: 404,
  forbidden: 403,
  access_expired: 401,
  key_refused: 409,
  configuration_refused: 409,
  upstream_failed: 502,
  contended: 503,
  store_unavailable: 503,
  output_unavailable: 404,
  range_refused: 416,
  closed: 503,
};

/** The HTTP status of a problem that the library tells; what is ours to mend is 500. */
export function statusOf(error: KingCongError): number {
  return STATUSES[error.code] ?? 500;
}
