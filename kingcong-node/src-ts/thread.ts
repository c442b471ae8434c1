/**
 * This JavaScript thread's mailbox: answers to what is awaited, calls for providers, log events. Whatever comes for it
 * comes together, with one wake-up.
 *
 * @module
 */

import { KingCongError, problemOf, type ErrorField, type Problem } from './errors';
import { native, type Library, type Mailbox, type AnswerOrTicket } from './native';
import { decode, type Json } from './wire';

/** What was answered: a value, with the bytes that belong to it, or an opened library. */
export interface Answer {
  readonly value: Json;
  readonly bytes: Buffer | undefined;
  readonly library: Library | undefined;
}

type AnswerLetter =
  | readonly ['answer', ticket: number, value: Json, isAttached: boolean]
  | readonly ['opened', ticket: number]
  | readonly ['problem', ticket: number, problem: Problem]
  | readonly ['panicked', ticket: number];

/** A provider is called. */
export type CallLetter = readonly [
  'call',
  ticket: number,
  client: number,
  protocol: string,
  call: { readonly [name: string]: Json },
  secret: string,
  hasSample: boolean,
];

/** A key service is asked; of the bytes that belong to it the first `length` are the data, the rest is the context. */
export type KeyLetter = readonly ['key', ticket: number, client: number, step: 'wrap' | 'unwrap', length: number];

/** What a client's host is asked, or that nobody waits for a call any more. */
export type HostLetter = CallLetter | KeyLetter | readonly ['dropped', ticket: number];

type LogLetter = readonly ['log', level: string, target: string, message: string];

type Letter = AnswerLetter | HostLetter | LogLetter;

/** What others do with the letters that are for them. */
interface Readers {
  host(letter: HostLetter): void;
  log(level: string, target: string, message: string): void;
}

let readers: Readers | undefined;

/** Names who reads what is no answer. */
export function readWith(all: Readers): void {
  readers = all;
}

/** The mailbox, weak: by itself it lets the thread end. */
export const mailbox: Mailbox = new native.Mailbox(() => {
  for (const letter of JSON.parse(mailbox.take()) as readonly Letter[]) read(letter);
});

function read(letter: Letter): void {
  switch (letter[0]) {
    case 'call':
    case 'key':
    case 'dropped':
      return readers?.host(letter);
    case 'log':
      return readers?.log(letter[1], letter[2], letter[3]);
    default: {
      const answered = awaited.get(letter[1]);
      if (answered !== undefined) {
        awaited.delete(letter[1]);
        rest();
        answered(letter);
      }
    }
  }
}

const awaited = new Map<number, (letter: AnswerLetter) => void>();

/** The longest interval that a timer takes: it is there to be waited for, not to tick. */
const INTERVAL_MAX_MS = 2 ** 31 - 1;
/** Keeps the thread while something is awaited. */
const vigil = setInterval(() => {}, INTERVAL_MAX_MS).unref();

function rest(): void {
  if (awaited.size === 0) vigil.unref();
}

function letterOf(ticket: number, signal: AbortSignal | undefined): Promise<AnswerLetter> {
  return new Promise((resolve, reject) => {
    if (awaited.size === 0) vigil.ref();
    if (signal === undefined) {
      awaited.set(ticket, resolve);
      return;
    }
    const abort = (): void => {
      awaited.delete(ticket);
      rest();
      mailbox.forget(ticket);
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', abort, { once: true });
    awaited.set(ticket, (letter) => {
      signal.removeEventListener('abort', abort);
      resolve(letter);
    });
  });
}

/** Asks the native half. The answer may be there at once; aborting ends the waiting for it. */
export function ask(begin: () => AnswerOrTicket, signal?: AbortSignal): Answer | Promise<Answer> {
  signal?.throwIfAborted();
  const told = begin();
  return typeof told === 'string' ? answerOf(JSON.parse(told) as AnswerLetter) : answerLater(told, signal);
}

async function answerLater(ticket: number, signal: AbortSignal | undefined): Promise<Answer> {
  return answerOf(await letterOf(ticket, signal));
}

function answerOf(letter: AnswerLetter): Answer {
  switch (letter[0]) {
    case 'answer':
      return {
        value: letter[2],
        bytes: letter[3] ? (mailbox.attachment(letter[1]) ?? undefined) : undefined,
        library: undefined,
      };
    case 'opened':
      return { value: null, bytes: undefined, library: mailbox.opened(letter[1]) ?? undefined };
    case 'problem':
      throw new KingCongError(letter[2], decode(letter[2].fields) as Record<string, ErrorField>);
    case 'panicked':
      throw problemOf('failed', 'the native half panicked: this is a bug in kingcong');
  }
}
