/**
 * What the library rejects with.
 *
 * @module
 */

/** The name of a problem, the same in every language. */
export type ErrorCode =
  /** Something in the call is not as it must be; nothing was done. */
  | 'invalid_request'
  /** The service, or everything, is under maintenance; no credit was touched. */
  | 'under_maintenance'
  /** No server is on for the service, or none of them has a usable key. */
  | 'no_route'
  /** There is no price for what was asked: set one, or mark it free. */
  | 'price_not_found'
  /** The voice does not exist, or not for this user or on these servers. */
  | 'voice_unavailable'
  /** Less is available than is needed: `fields.needed` and `fields.available`, in `fields.unit`. */
  | 'insufficient_credits'
  /** The wallet owes `fields.debt`, in `fields.unit`; credits that are bought pay it first. */
  | 'in_debt'
  /** This amount is not moved, such as a refund of more than was charged, or a package that is not what was ordered. */
  | 'amount_refused'
  /** The idempotency key was used for something else: use a new one. */
  | 'idempotency_conflict'
  /** The tenant `fields.tenant` is suspended: it submits, retries and purchases nothing until it is set active again. */
  | 'tenant_suspended'
  /** Too many tasks wait already: `fields.waiting` on `fields.route`. */
  | 'queue_full'
  /** There is no `fields.what` of the name `fields.name`. */
  | 'not_found'
  /** The role `fields.role` may not use `fields.door`: ask with the access of another role. It is audited. */
  | 'forbidden'
  /** The access of `fields.actor` ended at `fields.until`: authenticate them again. */
  | 'access_expired'
  /**
   * An upstream key was refused: it is no secret, is registered already (as `fields.key`), was removed, or its
   * `fields.account` of `fields.server` has other limits (`fields.maxInFlight`, `fields.perMinute`) than were named.
   */
  | 'key_refused'
  /** A change of the configuration, a price or a package is not legal. */
  | 'configuration_refused'
  /** An upstream failed what was asked of it directly; `fields.kind` and `fields.upstreamCode` say how. */
  | 'upstream_failed'
  /** No provider of this process speaks the server's `fields.protocol`. */
  | 'no_provider'
  /** The configuration kept changing while the call was decided: try again. */
  | 'contended'
  /** The database cannot be reached or opened. */
  | 'store_unavailable'
  /** The database cannot be used, or something in it cannot be read or written. */
  | 'store_failed'
  /** A stored secret does not open. */
  | 'vault_failed'
  /** The master key cannot be had, or is not the database's. */
  | 'master_key_failed'
  /** The result of `fields.job` cannot be had, because it has not completed or its files are gone. */
  | 'output_unavailable'
  /**
   * The failed tasks of `fields.job` are not tried again: it has not ended with such (it is in `fields.state`), was
   * retried ten times, or has a task that may have been done upstream and is not to be sent again.
   */
  | 'retry_refused'
  /** The bytes `fields.start` to `fields.end` of a job's audio are none, not all there, or too many to read at once. */
  | 'range_refused'
  /** The client was closed: open another. */
  | 'closed'
  /** Something failed that is none of the above. */
  | 'failed';

/** A language that users are told in: English or Vietnamese. */
export type Language = 'en' | 'vi';

/** A figure or a word that belongs to an error. */
export type ErrorField = string | number | boolean | null;

/** @internal What the native half tells of a problem. */
export interface Problem {
  readonly code: ErrorCode;
  readonly message: string;
  readonly user_message_en: string;
  readonly user_message_vi: string;
  readonly retryable: boolean;
  readonly fields: Readonly<Record<string, ErrorField>>;
  readonly causes: readonly string[];
}

/**
 * Something that the library could not do.
 *
 * `message` says what was wrong, with which value, and what to do: it is for operators. What a user may be told is
 * `userMessage()`. What goes wrong in the calling code, such as an argument of a wrong type, is a `TypeError` instead.
 *
 * @example
 * ```ts
 * import { KingCong, KingCongError } from 'kingcong';
 *
 * await using kc = await KingCong.open('memory:', { preset: 'kingcong' });
 * try {
 *   await kc.submit({ user: 'user-1', text: 'Hi', service: 'elevenlabs', voice: 'v' });
 * } catch (error) {
 *   if (!(error instanceof KingCongError)) throw error;
 *   console.log(error.code, error.retryable, error.userMessage('vi')); // no_route true ElevenLabs hiện không khả dụng
 * }
 * ```
 */
export class KingCongError extends Error {
  /** The name of the problem, the same in every language. */
  readonly code: ErrorCode;
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  /** The figures that belong to it, such as `needed` and `available`. */
  readonly fields: Readonly<Record<string, ErrorField>>;
  readonly #userMessages: Readonly<Record<Language, string>>;

  /** @internal */
  constructor(problem: Problem, fields: Readonly<Record<string, ErrorField>>) {
    // The nearest cause is the outermost.
    const cause = problem.causes.reduceRight<Error | undefined>(
      (cause, message) => new Error(message, cause && { cause }),
      undefined,
    );
    super(problem.message, cause && { cause });
    this.code = problem.code;
    this.retryable = problem.retryable;
    this.fields = fields;
    this.#userMessages = { en: problem.user_message_en, vi: problem.user_message_vi };
  }

  static {
    this.prototype.name = 'KingCongError';
  }

  /** What a user may be told, in English (`'en'`) or Vietnamese (`'vi'`). */
  userMessage(language: Language = 'en'): string {
    return this.#userMessages[language] ?? this.#userMessages.en;
  }
}

/** @internal A problem that this half of the package found. */
export function problemOf(code: ErrorCode, message: string): KingCongError {
  const told = { code, message, retryable: false, fields: {}, causes: [] };
  const userMessages = {
    user_message_en: 'Something went wrong. Please try again.',
    user_message_vi: 'Đã có lỗi xảy ra. Vui lòng thử lại.',
  };
  return new KingCongError({ ...told, ...userMessages }, {});
}
