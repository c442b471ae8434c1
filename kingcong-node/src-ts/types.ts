/**
 * What requests are made of, and the results that come as bytes; `asked` and `answers` have the other records, and
 * `answers` the words.
 *
 * Instants are `Date`, durations are milliseconds in fields whose names end in `Ms`, ids are strings.
 *
 * @module
 */

import type { AudioFormat, Payer, Subtitles } from './answers';

/**
 * An amount of a unit: a whole number where the unit has no digits after the point (credits), and a decimal string
 * otherwise (`'0.10'`), because a number cannot hold 0.1. Both are taken everywhere: a number must be whole and safe.
 */
export type Amount = number | string;

/** What every door takes: aborting ends the waiting, and never what was asked or its settlement. */
export interface Waiting {
  readonly signal?: AbortSignal | undefined;
}

// --- requests

/**
 * Settings of a voice in hundredths; the upstream's own where left out. `speed` goes from 50 to 200 (100 is the voice's
 * own), the others from 0 to 100.
 */
export interface VoiceSettings {
  readonly stability?: number | undefined;
  readonly similarity?: number | undefined;
  readonly style?: number | undefined;
  readonly speed?: number | undefined;
}

/** What both kinds of request have. */
export interface Asked {
  readonly user: string;
  readonly service: string;
  /** The user's share when many wait: twice the weight, twice the tasks. 1 when left out. */
  readonly weight?: number | undefined;
  /** How long it may take; then what was not sent fails, and costs nothing. */
  readonly deadlineMs?: number | undefined;
  /** Schedules it, up to 366 days ahead. */
  readonly startAt?: Date | undefined;
  readonly payer?: Payer | undefined;
  /** Makes it safe to submit again: the same key and request give the same job, for ever. */
  readonly idempotencyKey?: string | undefined;
}

/**
 * Asks for a text to be spoken. Of `voice`, `voices` and `clonedVoice` at most one is given.
 */
export interface Speech extends Asked {
  readonly text: string;
  /** The upstream's id of a voice, the same on every server. */
  readonly voice?: string | undefined;
  /** Each server's own id of the voice, such as `{ ai33: '…', ai84: '…' }`. */
  readonly voices?: Readonly<Record<string, string>> | undefined;
  /** The id of a voice that the user cloned. */
  readonly clonedVoice?: string | undefined;
  readonly model?: string | undefined;
  readonly language?: string | undefined;
  readonly format?: AudioFormat | undefined;
  readonly subtitles?: Subtitles | undefined;
  readonly settings?: VoiceSettings | undefined;
  /** Into how many tasks the text is cut at most; as few as possible when left out. */
  readonly pieces?: number | undefined;
}

/** Asks for a voice to be made from a recording of at most 20 MiB. */
export interface CloneVoice extends Asked {
  readonly name: string;
  readonly sample: Uint8Array;
  readonly contentType: string;
  readonly previewText?: string | undefined;
}

// --- results

/** Speech, joined in order. `srt` are subtitles as SubRip; `durationMs` is the audio's own length. */
export interface SpeechResult {
  readonly kind: 'speech';
  readonly audio: Buffer;
  readonly contentType: string;
  readonly durationMs: number;
  readonly srt: string | null;
}

/** A cloned voice, for `clonedVoice` of a request. */
export interface VoiceResult {
  readonly kind: 'voice';
  readonly voice: string;
}

/** What a job or a task gave. */
export type JobResult = SpeechResult | VoiceResult;

/** Who acts, in which role, and until when by the database's clock. */
export type Access =
  | {
      readonly actor: string;
      readonly role: 'operator' | 'operator_billing' | 'support' | 'auditor';
      readonly until?: Date | undefined;
    }
  | {
      readonly actor: string;
      readonly role: 'tenant_admin' | 'tenant_billing';
      readonly tenant: string;
      readonly until?: Date | undefined;
    }
  | {
      readonly actor: string;
      readonly role: 'member';
      readonly tenant: string;
      readonly user: string;
      readonly until?: Date | undefined;
    };
