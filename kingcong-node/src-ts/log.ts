/**
 * The library's log events, for the callbacks of the clients of this thread.
 *
 * @module
 */

import { mailbox } from './thread';
import { said } from './wire';

/** How grave an event is. */
export type LogLevel = 'error' | 'warn' | 'info' | 'debug' | 'trace';

/** Something that the library did or met. `message` has its fields at its end. */
export interface LogEvent {
  readonly level: LogLevel;
  /** The part of the library that tells it, such as `kingcong_core::engine::pulse`. */
  readonly target: string;
  readonly message: string;
}

/** Gets the library's events. */
export type Log = (event: LogEvent) => void;

/** @internal The gravest first. */
export const LEVELS: readonly LogLevel[] = ['error', 'warn', 'info', 'debug', 'trace'];

interface Listener {
  readonly log: Log;
  readonly least: LogLevel;
}

const listeners = new Map<number, Listener>();

/** Brings a client the events of that level and graver. */
export function listen(client: number, log: Log, least: LogLevel): void {
  listeners.set(client, { log, least });
  tune();
}

/** Brings it none any more. */
export function mute(client: number): void {
  if (listeners.delete(client)) tune();
}

function tune(): void {
  const wanted = [...listeners.values()].map(({ least }) => LEVELS.indexOf(least));
  mailbox.listen(wanted.length === 0 ? null : (LEVELS[Math.max(...wanted)] as LogLevel));
}

/** Hands an event to whoever wants it. */
export function readLog(level: string, target: string, message: string): void {
  for (const listener of listeners.values()) hand(listener, { level: level as LogLevel, target, message });
}

/** Tells a client of a mistake in what it brought itself; with a warning of the process where it has no log. */
export function tell(client: number, target: string, message: string): void {
  const listener = listeners.get(client);
  if (listener === undefined) process.emitWarning(message, 'KingCongWarning');
  else hand(listener, { level: 'error', target, message });
}

function hand({ log, least }: Listener, event: LogEvent): void {
  if (LEVELS.indexOf(event.level) > LEVELS.indexOf(least)) return;
  // A log that fails must not end what it tells of.
  const warn = (error: unknown): void =>
    process.emitWarning(`the log callback threw ${said(error)}`, 'KingCongWarning');
  try {
    const told: unknown = log(event);
    if (told instanceof Promise) told.catch(warn);
  } catch (error) {
    warn(error);
  }
}
