/**
 * What doors take, as tables: the fields of requests, prices, packages, servers and filters, each with its check.
 *
 * @module
 */

import { WORDS } from './described';
import {
  amount,
  count,
  encode,
  flag,
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

const SWITCH = oneOf(...WORDS.Switch);
const UNIT = oneOf(...WORDS.Unit);
const OPERATION = oneOf(...WORDS.Operation);
const LANE = oneOf(...WORDS.Lane);

/** What a provider can do, by the services. */
export const CAPABILITIES = mapping(
  record({
    lacking: optional(
      list(oneOf('mp3', 'wav', 'subtitles', 'stability', 'similarity', 'style', 'speed', 'clone_voice')),
    ),
    mp3: optional(record({ sampleRate: count, channels: count })),
  }),
);

/** How many calls are allowed. */
const LIMITS: Fields = { maxInFlight: count, perMinute: count };

/** The same, as a field of another record. */
export const limitsOf = record(LIMITS);

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

const LINE: Fields = {
  measure: oneOf(...WORDS.Measure),
  price: amount,
  per: optional(count),
};

const PRICE: Fields = {
  server: text,
  service: text,
  operation: OPERATION,
  lane: optional(LANE),
  lines: list((value, name) => ({ per: 1, ...encode(LINE, value, name) })),
  unit: optional(UNIT),
  model: optional(text),
  name: optional(text),
  overrun: optional(flag),
  switch: optional(SWITCH),
  version: optional(count),
  // As a price in force has it; the library knows it itself.
  since: optional(instant),
};

/** A price to set. */
export function priceOf(price: unknown, name: string): Json {
  const { since: _since, ...wire } = encode(PRICE, price, name);
  return { unit: 'credit', switch: 'on', ...wire };
}

const PACKAGE: Fields = {
  id: text,
  label: text,
  credits: amount,
  price: amount,
  unit: optional(UNIT),
  currency: optional(UNIT),
  switch: optional(SWITCH),
};

const ORDERED: Fields = { credits: amount, price: amount, unit: optional(UNIT), currency: optional(UNIT) };

/** What was ordered of a package. */
export function orderedOf(value: unknown, name: string): Json {
  return { unit: 'credit', currency: 'usd', ...encode(ORDERED, value, name) };
}

/** A package to set. */
export function packageOf(value: unknown, name: string): Json {
  return { unit: 'credit', currency: 'usd', switch: 'on', ...encode(PACKAGE, value, name) };
}

const SERVER: Fields = {
  protocol: text,
  baseUrl: text,
  weight: count,
  limits: record(LIMITS),
  polls: optional(oneOf(...WORDS.PollsCount)),
  egress: optional(record(LIMITS)),
};

/** A server to add. */
export function serverOf(server: unknown, name: string): Json {
  return { polls: 'free', ...encode(SERVER, server, name) };
}

const SERVER_CHANGE: Fields = {
  baseUrl: optional(text),
  weight: optional(count),
  limits: optional(record(LIMITS)),
  polls: optional(oneOf(...WORDS.PollsCount)),
  egress: optional((value, name) => (value === 'lifted' ? value : { to: encode(LIMITS, value, name) })),
};

/** What of a server changes. */
export function serverChangeOf(change: unknown, name: string): Json {
  return encode(SERVER_CHANGE, change, name);
}

const MAINTENANCE: Fields = { isFull: optional(flag), services: optional(list(text)) };

/** What is to be under maintenance. */
export function maintenanceOf(maintenance: unknown, name: string): Json {
  const { is_full, services } = encode(MAINTENANCE, maintenance, name);
  if (is_full === true) return 'full';
  return Array.isArray(services) && services.length > 0 ? { services } : 'none';
}
