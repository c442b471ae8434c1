/**
 * A submitted job, and its events.
 *
 * @module
 */

import type { JobEvent, JobReport } from './answers';
import type { Client } from './group';
import type { JobResult, Waiting } from './types';
import { count, optional, optionsOf, text, type Fields, type Json } from './wire';

/** @internal What a job needs of its client. */
export interface JobClient extends Client {
  result(door: string, given: Json, signal: AbortSignal | undefined): Promise<JobResult | null>;
  bytes(door: string, given: Json, signal: AbortSignal | undefined): Promise<Buffer>;
  closeStream(stream: number): void;
}

function signalIn(waiting: Waiting | undefined): AbortSignal | undefined {
  return optionsOf({}, waiting)[1];
}

const RETRY: Fields = { idempotencyKey: text, deadlineMs: optional(count) };

/** A submitted job: watch it, wait for it, read its results, cancel it, retry it. */
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

  /**
   * Tries the failed tasks of a job again that has ended with such. What they may cost is held anew, at the prices of
   * the job's quote; tasks that are done stay as they are, with their results and charges.
   *
   * The same key gives the same answer, for ever: the job is retried once. It is one of the user's, like those of
   * submits. `deadlineMs` is how long the job may take from now on. Rejects with `retry_refused` for a job that has not
   * ended with failed tasks or was cancelled, `output_unavailable` where the result of a task is gone, and what `submit`
   * rejects with; nothing is written then, but a refusal for money is remembered under its key.
   *
   * @example
   * ```ts
   * import { KingCong } from 'kingcong';
   *
   * async function tryAgain(kc: KingCong, id: string): Promise<void> {
   *   const { job } = await kc.acting({ actor: 'support-7', role: 'operator' }).job(id).retry({ idempotencyKey: `${id}, second try` });
   *   console.log(job.openTasks, job.held);
   * }
   * ```
   */
  async retry(
    options: Waiting & { readonly idempotencyKey: string; readonly deadlineMs?: number | undefined },
  ): Promise<JobReport> {
    const [given, signal] = optionsOf(RETRY, options);
    return this.#client.knock('job.retry', { ...given, job: this.id }, { signal });
  }

  /**
   * What it gave: its tasks' results, joined in order; audio as a whole in memory, up to 64 MiB. Rejects with
   * `output_unavailable` unless it has completed, and for longer audio: `audio` gives any length.
   */
  async result(waiting?: Waiting): Promise<JobResult> {
    const result = await this.#client.result('job.result', { job: this.id }, signalIn(waiting));
    return result as JobResult;
  }

  /** What it says, to be read in ranges and chunks. Rejects with `output_unavailable` unless it has completed. */
  async audio(waiting?: Waiting): Promise<JobAudio> {
    const given = { job: this.id };
    const head = await this.#client.knock<AudioHead>('job.audio', given, { signal: signalIn(waiting) });
    return new JobAudio(this.#client, this.id, head);
  }

  /** Its subtitles as SubRip, joined; null where none were asked for or given. */
  async subtitles(waiting?: Waiting): Promise<string | null> {
    return this.#client.knock('job.subtitles', { job: this.id }, { signal: signalIn(waiting) });
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

/** @internal What a job's audio is, without its bytes. */
interface AudioHead {
  readonly length: number;
  readonly contentType: string;
  readonly durationMs: number;
}

/**
 * What a completed job says, as one file in the order of its tasks. Of it is read what is asked for, and nothing is held
 * open: who stops reading leaves nothing behind.
 *
 * Bytes are counted from 0, and a range ends before its end. One that is empty or ends behind the audio is refused with
 * `range_refused`; when a task's result is gone or is not as long as it was, reading ends with `output_unavailable`.
 *
 * @example
 * ```ts
 * import type { KingCong } from 'kingcong';
 *
 * async function download(kc: KingCong, id: string): Promise<Response> {
 *   const audio = await kc.job(id).audio();
 *   const headers = { 'Content-Type': audio.contentType, 'Content-Length': String(audio.length) };
 *   return new Response(audio.stream(), { headers });
 * }
 * ```
 */
export class JobAudio implements AsyncIterable<Buffer> {
  /** The id of the job. */
  readonly job: string;
  /** How many bytes there are. */
  readonly length: number;
  /** The media type: `audio/mpeg` or `audio/wav`. */
  readonly contentType: string;
  /** How long it lasts. */
  readonly durationMs: number;
  readonly #client: JobClient;

  /** @internal */
  constructor(client: JobClient, job: string, head: AudioHead) {
    this.#client = client;
    this.job = job;
    this.length = head.length;
    this.contentType = head.contentType;
    this.durationMs = head.durationMs;
  }

  /** The bytes from `start` to before `end`: all of them, up to 64 MiB. */
  async read(start = 0, end = this.length, waiting?: Waiting): Promise<Buffer> {
    return this.#client.bytes('job.read_audio', this.#range(start, end), signalIn(waiting));
  }

  /** The same bytes in chunks of 256 KiB, each read when it is asked for; of any number. */
  async *chunks(start = 0, end = this.length, waiting?: Waiting): AsyncGenerator<Buffer, void, undefined> {
    const signal = signalIn(waiting);
    for (let left = this.#range(start, end); ;) {
      const chunk = await this.#client.bytes('job.audio_chunk', left, signal);
      yield chunk;
      left = { ...left, start: left.start + chunk.length };
      if (left.start >= left.end) return;
    }
  }

  /** The same as a stream of the web, for a `Response`. Nothing is read ahead; cancelling it ends the reading. */
  stream(start = 0, end = this.length): ReadableStream<Uint8Array<ArrayBuffer>> {
    const left = new AbortController();
    const chunks = this.chunks(start, end, { signal: left.signal });
    return new ReadableStream(
      {
        async pull(controller) {
          const { done, value } = await chunks.next();
          if (done) controller.close();
          else controller.enqueue(value as Buffer<ArrayBuffer>);
        },
        cancel() {
          left.abort();
        },
      },
      { highWaterMark: 0 },
    );
  }

  [Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    return this.chunks();
  }

  #range(start: number, end: number): { readonly job: string; readonly start: number; readonly end: number } {
    return { job: this.job, start: count(start, 'start'), end: count(end, 'end') };
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
