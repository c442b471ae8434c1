/**
 * The native half: what it offers, and where it is found. Everything here is private.
 *
 * @module
 */

import { existsSync } from 'node:fs';
import path from 'node:path';

/** What was asked: the letter of what was answered at once, or the ticket under which the mailbox will bring it. */
export type AnswerOrTicket = string | number;

/** The mailbox of one JavaScript thread. */
export interface Mailbox {
  take(): string;
  attachment(ticket: number): Buffer | null;
  opened(ticket: number): Library | null;
  forget(ticket: number): void;
  reply(ticket: number, json: string, body: Buffer): void;
  fail(ticket: number, json: string): void;
  replyKey(ticket: number, bytes: Buffer): void;
  failKey(ticket: number, said: string): void;
  listen(level: string | null): void;
}

/** An opened library. */
export interface Library {
  knock(mailbox: Mailbox, door: string, by?: string, attachment?: Buffer): AnswerOrTicket;
  closeStream(stream: number): void;
  close(mailbox: Mailbox): AnswerOrTicket;
}

/** The native half. */
export interface Native {
  readonly Mailbox: new (bell: () => void) => Mailbox;
  open(mailbox: Mailbox, options: string, client: number, key: string | null): AnswerOrTicket;
  scrubbed(words: string, secret: string): string;
}

/** Such as `linux-x64`, as napi packages are named. */
const PLATFORM = `${process.platform}-${process.arch}`;
/** The platform with its C library, of which Linux has two. */
const NAMES = process.platform === 'linux' ? [`${PLATFORM}-gnu`, `${PLATFORM}-musl`] : [PLATFORM];

function load(): Native {
  const failures: unknown[] = [];
  for (const name of NAMES) {
    const file = path.join(__dirname, '..', 'native', `kingcong.${name}.node`);
    try {
      // In the package itself, or in one of its own beside it.
      return require(existsSync(file) ? file : `kingcong-${name}`) as Native;
    } catch (failure) {
      failures.push(failure);
    }
  }
  const cause = new AggregateError(failures, `tried ${NAMES.join(' and ')}`);
  throw new Error(`kingcong has no native half that loads on ${PLATFORM}`, { cause });
}

/** Loaded once for each JavaScript thread. */
export const native: Native = load();
