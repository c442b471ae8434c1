/**
 * Requests and what providers can do, as tables: their fields, each with its check.
 *
 * @module
 */

import { WORDS } from './described';
import {
  count,
  encode,
  instant,
  list,
  mapping,
  oneOf,
  optional,
  record,
  text,
  bytes,
  type Fields,
  type Json,
} from './wire';

/** What a provider can do, by the services. */
export const CAPABILITIES = mapping(
  record({
    lacking: optional(
      list(oneOf('mp3', 'wav', 'subtitles', 'stability', 'similarity', 'style', 'speed', 'clone_voice')),
    ),
    mp3: optional(record({ sampleRate: count, channels: count })),
  }),
);

const ASKED: Fields = {
  user: text,
  service: text,
  weight: optional(count),
  deadlineMs: optional(count),
  startAt: optional(instant),
  payer: optional(oneOf(...WORDS.Payer)),
  idempotencyKey: optional(text),
};

const SPEECH: Fields = {
  ...ASKED,
  text,
  voice: optional(text),
  voices: optional(mapping(text)),
  clonedVoice: optional(text),
  model: optional(text),
  language: optional(text),
  format: optional(oneOf(...WORDS.AudioFormat)),
  subtitles: optional(oneOf(...WORDS.Subtitles)),
  settings: optional(
    record({
      stability: optional(count),
      similarity: optional(count),
      style: optional(count),
      speed: optional(count),
    }),
  ),
  pieces: optional(count),
};

const CLONE_VOICE: Fields = { ...ASKED, name: text, contentType: text, previewText: optional(text) };

/** A request, and the recording that goes beside it. */
export function requestOf(request: object): readonly [wire: Json, sample: Buffer | undefined] {
  if (typeof request !== 'object' || request === null) {
    throw new TypeError('request must be an object, such as { user, text, service, voice }');
  }
  return 'sample' in request ? cloneVoiceOf(request) : [speechOf(request), undefined];
}

function speechOf(request: object): Json {
  const { text, voice, voices, cloned_voice, ...rest }: Record<string, Json> = encode(SPEECH, request, 'request');
  const { model, language, format, subtitles, settings, pieces, ...terms } = rest;
  const named = [voice, voices, cloned_voice].filter((given) => given !== undefined);
  if (named.length > 1) {
    throw new TypeError('request has several of voice, voices and clonedVoice: give one');
  }
  const choice = named.length === 0 ? undefined : { upstream: voice, per_server: voices, cloned: cloned_voice };
  const speech = { text, voice: choice, model, language, format, subtitles, settings, pieces };
  return { ...terms, subject: { speech } } as Json;
}

function cloneVoiceOf({ sample, ...rest }: { readonly sample?: unknown }): readonly [wire: Json, sample: Buffer] {
  const recording = bytes(sample, 'request.sample');
  const { name, content_type, preview_text = null, ...wire } = encode(CLONE_VOICE, rest, 'request');
  return [{ ...wire, subject: { clone_voice: { name, content_type, preview_text } } } as Json, recording];
}
