/**
 * Providers of your own: an object with `protocol` and `call` serves every server that speaks its protocol.
 *
 * What `call` rejects with decides what happens next. A {@link ProviderFailure} says what it means; anything else means
 * that nobody knows what the upstream did: the work may be done and paid for, so it is tried again only once, after
 * `callMaxMs`, and recorded as a possible double. Mistakes of a provider are logged too.
 *
 * @example
 * ```ts
 * import { KingCong } from 'kingcong';
 * import { RateLimited, type Provider } from 'kingcong/providers';
 *
 * const own: Provider = {
 *   protocol: 'own',
 *   async call(call, { signal }) {
 *     const answer = await fetch(`${call.baseUrl}/say`, {
 *       method: 'POST',
 *       headers: { authorization: call.secret },
 *       body: JSON.stringify(call.work),
 *       signal,
 *     });
 *     if (answer.status === 429) throw new RateLimited('too many calls', { retryAfterMs: 5_000 });
 *     return { audio: new Uint8Array(await answer.arrayBuffer()), contentType: 'audio/mpeg' };
 *   },
 * };
 * await using kc = await KingCong.open('memory:', { preset: 'kingcong', providers: [own] });
 * const limits = { maxInFlight: 5, perMinute: 60 };
 * const server = { protocol: 'own', baseUrl: 'https://own.example', weight: 10, limits };
 * await kc.config.addServer('own', server, { services: { elevenlabs: 'on' } });
 * ```
 *
 * @module
 */

import type { AudioFormat, FailureKind, Subtitles } from './answers';
import type { Amount, VoiceSettings } from './types';

/** A text to speak, already cut to what one call may carry. `voice` is the upstream's own id. */
export interface SpeechWork {
  readonly kind: 'speech';
  readonly text: string;
  readonly voice: string;
  readonly model: string | null;
  readonly format: AudioFormat;
  readonly subtitles: Subtitles;
  readonly settings: { readonly [Name in keyof VoiceSettings]-?: number | null };
  readonly language: string | null;
}

/** A voice to make from a recording. */
export interface CloneVoiceWork {
  readonly kind: 'clone_voice';
  readonly name: string;
  readonly sample: Buffer;
  readonly contentType: string;
  readonly previewText: string | null;
}

/** One task to do, once. */
export interface Call {
  /** Unique for each sending: give it to an upstream that takes an identifier. */
  readonly attempt: string;
  /** The upstream's id of work that it accepted, where `poll` is asked how far it is. */
  readonly upstreamId: string | null;
  readonly server: string;
  readonly service: string;
  readonly baseUrl: string;
  /** The key's secret. It is not enumerable: printing a call does not show it. */
  readonly secret: string;
  /** A result of more bytes fails the task. */
  readonly maxBytes: number;
  readonly work: SpeechWork | CloneVoiceWork;
}

/** What a call cost and measured, as the upstream tells it. */
export interface ReplyFigures {
  /** In the upstream's own credits, to the thousandth. */
  readonly cost?: Amount;
  readonly audioMs?: number;
  readonly characters?: number;
}

/** Speech: MP3 (`audio/mpeg`) or 16-bit WAV (`audio/wav`), and subtitles as SubRip. */
export interface AudioReply extends ReplyFigures {
  readonly audio: Uint8Array;
  readonly contentType: string;
  readonly srt?: string;
}

/** The upstream's id of a voice that was made. */
export interface VoiceReply extends ReplyFigures {
  readonly voice: string;
}

/** What a finished call gave. */
export type Reply = AudioReply | VoiceReply;

/** The upstream took the work, under this id of 1 to 256 bytes. */
export interface Accepted {
  readonly acceptedAs: string;
  /** In the upstream's own credits, to the thousandth, where it says so. */
  readonly cost?: Amount;
}

/** The upstream still works on it; from 0 to 100, where it says how far it is. */
export interface Running {
  readonly percent: number | null;
}

/** The upstream ended accepted work without a result, and why. */
export interface Failed {
  readonly failed: ProviderFailure;
}

/** Something that a request may ask for. */
export type Ability = 'mp3' | 'wav' | 'subtitles' | 'stability' | 'similarity' | 'style' | 'speed' | 'clone_voice';

/** How MP3s are laid out. */
export interface Mp3Layout {
  /** Samples in a second, such as 44,100. */
  readonly sampleRate: number;
  /** Mono or stereo. */
  readonly channels: 1 | 2;
}

/** What can be done for a service: everything but what is `lacking`. */
export interface Capabilities {
  readonly lacking?: readonly Ability[] | undefined;
  /**
   * The layout of all its MP3s, where it is known: those of two layouts cannot be joined, so a job of several pieces goes
   * to servers of one. WAVs need none, they are converted.
   */
  readonly mp3?: Mp3Layout | undefined;
}

/** What serves the servers of a protocol. An instance of a class keeps its `this`. */
export interface Provider {
  /** Such as `ai33`, to serve in place of the library's own, or a name of yours. */
  readonly protocol: string;
  /**
   * What it can do, by the services; everything for one that is not there. What no server of a service can do is refused
   * when it is submitted, and what some can do goes to those. Read when the client is opened.
   */
  readonly capabilities?: Readonly<Record<string, Capabilities>> | undefined;
  /**
   * Does the task once, without trying again, or has an upstream accept it, within `callMaxMs`. `signal` is aborted when
   * nobody waits any more, because the call took longer or the client closed.
   */
  call(call: Call, options: { readonly signal: AbortSignal }): Promise<Reply | Accepted>;
  /**
   * Says how far the work is that the upstream knows as `call.upstreamId`: it is asked until it resolves to a reply or to
   * a failure, also by a process that starts after a crash. What it rejects with says nothing about the work: it still
   * runs, and is asked about again. Needed where `call` may resolve to {@link Accepted}.
   */
  poll?(call: Call, options: { readonly signal: AbortSignal }): Promise<Reply | Running | Failed>;
}

/** What a failure has besides its message. */
export interface FailureOptions extends ErrorOptions {
  /** The upstream's own code. */
  readonly code?: string;
  /** How long the upstream asks to wait. */
  readonly retryAfterMs?: number;
  /**
   * False says that the upstream proved that it did nothing, true that it may have begun; each class has what is usual
   * for it.
   */
  readonly sent?: boolean;
}

/**
 * A call that gave nothing. Throw one of the subclasses: each says whom the failure concerns.
 */
export abstract class ProviderFailure extends Error {
  /** What it means, and so whom it concerns. */
  abstract readonly kind: FailureKind;
  readonly code: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly sent: boolean | undefined;

  constructor(message: string, { code, retryAfterMs, sent, ...options }: FailureOptions = {}) {
    super(message, options);
    this.code = code;
    this.retryAfterMs = retryAfterMs;
    this.sent = sent;
    this.name = new.target.name;
  }
}

/** Sent, and no answer that tells what became of it. Never resent blindly. */
export class AnswerLost extends ProviderFailure {
  readonly kind = 'unknown';
}

/** The request itself is wrong: the task fails, and costs nothing. */
export class BadRequest extends ProviderFailure {
  readonly kind = 'bad_request';
}

/** The upstream refuses the content: the task fails, and costs nothing. */
export class ContentRefused extends ProviderFailure {
  readonly kind = 'policy';
}

/**
 * The key may not do this: its plan, permissions, region or voices do not allow it. A few other keys are asked, then
 * the task fails; no key is marked for it.
 */
export class NotAllowed extends ProviderFailure {
  readonly kind = 'not_allowed';
}

/** The upstream does not know the key: it leaves its pool. */
export class KeyDead extends ProviderFailure {
  readonly kind = 'key_dead';
}

/** The key may not be valid: it rests, each time for twice as long, and is tried with one call after that. */
export class KeyDoubtful extends ProviderFailure {
  readonly kind = 'key_doubtful';
}

/** The key's account has not enough credit: it leaves its pool. */
export class OutOfCredit extends ProviderFailure {
  readonly kind = 'out_of_credit';
}

/** Too many calls of this key: it cools. */
export class RateLimited extends ProviderFailure {
  readonly kind = 'key_rate_limited';
}

/** Too many calls of the account that the key belongs to. */
export class AccountRateLimited extends ProviderFailure {
  readonly kind = 'account_rate_limited';
}

/** Too many calls from our address. */
export class EgressRateLimited extends ProviderFailure {
  readonly kind = 'egress_rate_limited';
}

/** The upstream is overloaded or broken for now. */
export class Busy extends ProviderFailure {
  readonly kind = 'busy';
}

/** The provider cannot do this work on this route. */
export class Unsupported extends ProviderFailure {
  readonly kind = 'unsupported';
}
