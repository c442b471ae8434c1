/**
 * What goes over the border to the native half: values are checked and written, answers are read.
 *
 * Names are camelCase here and snake_case there; instants are `Date` here and microseconds there; a duration is a
 * number of milliseconds on both sides, and its name ends in `Ms`.
 *
 * @module
 */

import { BY_WORD, INSTANTS } from './described';

/** What JSON can hold. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

/** Checks a value, and gives it as it is sent. */
export type Encode = (value: unknown, name: string) => Json;

/** A value for an error's text: short, and whatever it is. */
export function shown(value: unknown): string {
  try {
    const text = typeof value === 'string' ? JSON.stringify(value) : kind(value);
    return text.length > 80 ? `${text.slice(0, 80)}…` : text;
  } catch {
    return 'something that cannot be shown';
  }
}

function kind(value: unknown): string {
  switch (typeof value) {
    case 'object':
      return value === null
        ? 'null'
        : Array.isArray(value)
          ? 'an array'
          : `a ${value.constructor?.name ?? 'bare object'}`;
    case 'function':
      return 'a function';
    case 'symbol':
      return 'a symbol';
    case 'bigint':
      return `${value}n`;
    default:
      return String(value);
  }
}

/** What was thrown, for another error's text. */
export function said(thrown: unknown): string {
  try {
    return thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : shown(thrown);
  } catch {
    return 'something that cannot be read';
  }
}

function wrong(name: string, words: string, value: unknown): TypeError {
  return new TypeError(
    value === undefined ? `${name} is missing: give ${words}` : `${name} must be ${words}, not ${shown(value)}`,
  );
}

/** Any text. */
export const text = (value: unknown, name: string): string => {
  if (typeof value !== 'string') throw wrong(name, 'a string', value);
  if (!value.isWellFormed())
    throw new TypeError(`${name} has half a character in it: a surrogate without its other half`);
  return value;
};

/** A whole number, exactly. */
export const integer = (value: unknown, name: string): number => {
  if (typeof value !== 'number') throw wrong(name, 'a whole number', value);
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw new TypeError(`${name} is ${value}, and beyond 2^53 a number no longer holds every whole number`);
  }
  if (!Number.isSafeInteger(value)) throw wrong(name, 'a whole number', value);
  return value;
};

/** A whole number that counts something. */
export const count = (value: unknown, name: string): number => {
  const counted = integer(value, name);
  if (counted >= 0) return counted;
  throw new TypeError(`${name} must not be negative, and is ${counted}`);
};

/** A yes or no. */
export const flag = (value: unknown, name: string): boolean => {
  if (typeof value === 'boolean') return value;
  throw wrong(name, 'true or false', value);
};

const DECIMAL = /^-?\d+(?:\.\d+)?$/;

/** An amount: a whole number of units, or a decimal text. */
export const amount = (value: unknown, name: string): number | string => {
  if (typeof value === 'string') {
    if (DECIMAL.test(value)) return value;
    throw new TypeError(`${name} must be a decimal number such as '0.10', not ${shown(value)}`);
  }
  if (typeof value !== 'number') throw wrong(name, 'a whole number or a decimal string', value);
  if (Number.isSafeInteger(value)) return value;
  if (Number.isInteger(value)) {
    throw new TypeError(
      `${name} is ${value}, and beyond 2^53 a number no longer holds every amount: give a decimal string`,
    );
  }
  throw new TypeError(`${name} must be exact, and ${value} is not: write '${value}' as a string`);
};

/** An instant. */
export const instant = (value: unknown, name: string): number => {
  if (!(value instanceof Date)) throw wrong(name, 'a Date', value);
  const ms = value.getTime();
  if (Number.isNaN(ms)) throw new TypeError(`${name} is an invalid Date`);
  return ms * 1000;
};

/** Bytes, without a copy where possible. */
export function bytes(value: unknown, name: string): Buffer {
  if (Buffer.isBuffer(value)) return value;
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof ArrayBuffer) return Buffer.from(value);
  throw wrong(name, 'a Buffer or Uint8Array', value);
}

/** One of some words. */
export function oneOf(...words: readonly string[]): Encode {
  return (value, name) => {
    if (typeof value === 'string' && words.includes(value)) return value;
    throw wrong(name, words.map((word) => `'${word}'`).join(' or '), value);
  };
}

/** One of some words, or something else. */
export function wordOr(words: readonly string[], other: Encode): Encode {
  return (value, name) => (typeof value === 'string' && words.includes(value) ? value : other(value, name));
}

/** A value, or null. */
export function nullable(encode: Encode): Encode {
  return (value, name) => (value === null ? null : encode(value, name));
}

/** A text that no error shows. */
export const secret = (value: unknown, name: string): string => {
  if (typeof value === 'string') return value;
  throw new TypeError(`${name} must be a string`);
};

/** A list. */
export function list(item: Encode): Encode {
  return (value, name) => {
    if (!Array.isArray(value)) throw wrong(name, 'an array', value);
    return value.map((one: unknown, place) => item(one, `${name}[${place}]`));
  };
}

/** An object whose names the caller chooses. */
export function mapping(item: Encode): Encode {
  return (value, name) => {
    const entries = Object.entries(object(value, name));
    return Object.fromEntries(entries.map(([key, one]) => [key, item(one, `${name}.${key}`)]));
  };
}

/** The fields of a record: each with its check, and whether it may be left out. */
export type Fields = Readonly<Record<string, Encode | { readonly optional: Encode }>>;

/** A field that may be left out. */
export function optional(encode: Encode): { readonly optional: Encode } {
  return { optional: encode };
}

function object(value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(name, 'an object', value);
  return value as Record<string, unknown>;
}

/** Checks an object field by field; one that nobody knows is refused, because it would be left out silently. */
export function encode(fields: Fields, value: unknown, name: string): Record<string, Json> {
  const given = object(value, name);
  for (const key in given) {
    if (!Object.hasOwn(fields, key)) {
      throw new TypeError(`${name} has no field ${shown(key)}: it has ${Object.keys(fields).join(', ')}`);
    }
  }
  const wire: Record<string, Json> = {};
  for (const key in fields) {
    const field = fields[key] as Fields[string];
    const part = given[key];
    if (typeof field === 'function') wire[snake(key)] = field(part, `${name}.${key}`);
    else if (part !== undefined && part !== null) wire[snake(key)] = field.optional(part, `${name}.${key}`);
  }
  return wire;
}

/** Splits a door's options into what is sent and the signal. */
export function optionsOf(
  fields: Fields,
  options: object | undefined,
): readonly [Record<string, Json>, AbortSignal | undefined] {
  if (options === undefined) return [encode(fields, {}, 'options'), undefined];
  const { signal, ...rest } = object(options, 'options');
  return [encode(fields, rest, 'options'), signalOf(signal)];
}

function signalOf(signal: unknown): AbortSignal | undefined {
  if (signal === undefined || signal === null) return undefined;
  // Not by its class: there are AbortSignals of other realms.
  if (typeof signal === 'object' && 'aborted' in signal && 'addEventListener' in signal) return signal as AbortSignal;
  throw wrong('options.signal', 'an AbortSignal', signal);
}

/** A record as a field of another. */
export function record(fields: Fields): Encode {
  return (value, name) => encode(fields, value, name);
}

const SNAKE = new Map<string, string>();
const CAMEL = new Map<string, string>();

function snake(name: string): string {
  let other = SNAKE.get(name);
  if (other === undefined) SNAKE.set(name, (other = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)));
  return other;
}

function camel(name: string): string {
  let other = CAMEL.get(name);
  if (other === undefined) {
    other = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    CAMEL.set(name, other);
  }
  return other;
}

/** An answer in this language's names and types. */
export function decode(value: Json): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(decode);
  const told = value as Readonly<Record<string, Json>>;
  const read: Record<string, unknown> = {};
  for (const key in told) {
    const part = told[key] as Json;
    if (typeof part === 'number') read[camel(key)] = INSTANTS.has(key) ? new Date(Math.floor(part / 1000)) : part;
    else if (BY_WORD.has(key)) read[camel(key)] = part;
    else read[camel(key)] = typeof part === 'object' ? decode(part) : part;
  }
  return read;
}
