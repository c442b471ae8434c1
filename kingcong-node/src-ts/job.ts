/**
 * A submitted job, and its events.
 *
 * @module
 */

import type { Client } from './doors';
import type { JobEvent, JobReport, JobResult, Waiting } from './types';
import { count, optionsOf, type Json } from './wire';

/** @internal What a job needs of its client. */
export interface JobClient extends Client {
  result(door: string, given: Json, signal: AbortSignal | undefined): Promise<JobResult | null>;
  closeStream(stream: number): void;
}

function signalIn(waiting: Waiting | undefined): AbortSignal | undefined {
  return optionsOf({}, waiting)[1];
}

/** A submitted job: watch it, wait for it, read its results, cancel it. */
export class JobHandle {
  /** Its id, for `kc.job(id)` in any process. */
  readonly id: string;
  readonly #client: JobClient;

  /** @internal */
  constructor(client: JobClient, id: string) {
    this.id = id;
    this.#client = client;
  }

  /** What is known of it now. */
  async status(waiting?: Waiting): Promise<JobReport> {
    return this.#report('job.status', waiting);
  }

  /** Waits until it has ended, whichever process works on it. Aborting ends the waiting, not the job. */
  async wait(waiting?: Waiting): Promise<JobReport> {
    return this.#report('job.wait', waiting);
  }

  /** Ends it as far as its tasks have not been sent; those that were run to their end and are charged. */
  async cancel(waiting?: Waiting): Promise<JobReport> {
    return this.#report('job.cancel', waiting);
  }

  /** What it gave: its tasks' results, joined in order. Rejects with `output_unavailable` unless it has completed. */
  async result(waiting?: Waiting): Promise<JobResult> {
    const result = await this.#client.result('job.result', { job: this.id }, signalIn(waiting));
    return result as JobResult;
  }

  /** The result of one task, by its place from 0; null while it has none. */
  async taskOutput(place: number, waiting?: Waiting): Promise<JobResult | null> {
    const given = { job: this.id, place: count(place, 'place') };
    return this.#client.result('job.task_output', given, signalIn(waiting));
  }

  /**
   * Its events from when the first is asked for, in this process; they end after `ended`. Leaving the loop, and
   * aborting, end the watching.
   *
   * @example
   * ```ts
   * import { KingCong } from 'kingcong';
   *
   * async function watch(kc: KingCong, id: string, signal: AbortSignal): Promise<void> {
   *   for await (const event of kc.job(id).events({ signal })) {
   *     if (event.kind === 'task_done') console.log(event.place, event.charged);
   *   }
   * }
   * ```
   */
  events(waiting?: Waiting): JobEvents {
    return new JobEvents(this.#client, this.id, signalIn(waiting));
  }

  async #report(door: string, waiting: Waiting | undefined): Promise<JobReport> {
    return this.#client.knock(door, { job: this.id }, { signal: signalIn(waiting) });
  }
}

/** The events of a job, for `for await`. */
export class JobEvents implements AsyncIterableIterator<JobEvent> {
  readonly #client: JobClient;
  readonly #job: string;
  readonly #signal: AbortSignal | undefined;
  /** Aborted when nobody reads any more. */
  readonly #left = new AbortController();
  #stream: Promise<number> | undefined;
  /** Ends when the events that were asked for before are read. */
  #turn: Promise<unknown> = Promise.resolve();

  /** @internal */
  constructor(client: JobClient, job: string, signal: AbortSignal | undefined) {
    this.#client = client;
    this.#job = job;
    this.#signal = signal;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<JobEvent, undefined>> {
    // Begins to watch now, and not when its turn comes.
    if (!this.#left.signal.aborted && !this.#signal?.aborted) {
      this.#stream ??= this.#client.knock('job.events', { job: this.#job }, {});
      this.#stream.catch(() => {});
    }
    const next = this.#turn.then(() => this.#next());
    this.#turn = next.catch(() => {});
    return next;
  }

  /** Watches no longer; who waits for the next event is told that there is none. */
  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#left.abort();
    await this.#close();
    return { done: true, value: undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  async #next(): Promise<IteratorResult<JobEvent, undefined>> {
    if (this.#left.signal.aborted) return { done: true, value: undefined };
    const signal = this.#signal === undefined ? this.#left.signal : AbortSignal.any([this.#signal, this.#left.signal]);
    try {
      this.#signal?.throwIfAborted();
      const stream = (await this.#stream) ?? null;
      const event = await this.#client.knock<JobEvent | null>('events.next', { stream }, { signal });
      if (event !== null) return { done: false, value: event };
      this.#left.abort();
    } catch (error) {
      // Left meanwhile: that is an end, and no failure.
      if (!this.#left.signal.aborted) {
        this.#left.abort();
        await this.#close();
        throw error;
      }
    }
    return { done: true, value: undefined };
  }

  async #close(): Promise<void> {
    const opened = this.#stream;
    this.#stream = undefined;
    // One that never opened needs no closing.
    const stream = await opened?.catch(() => undefined);
    if (stream !== undefined) this.#client.closeStream(stream);
  }
}
