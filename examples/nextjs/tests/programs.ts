/** The programs that tests need, for them alone: on free ports, in folders of their own, stopped by process id. */

import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** A program that runs, and whose output is read line by line. */
export class Program implements AsyncDisposable {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #printed: string[] = [];
  readonly #ended: Promise<unknown>;
  readonly #passed: string[] = [];
  readonly #stop: NodeJS.Signals;
  #more: () => void = () => {};

  constructor(
    command: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
    stop: NodeJS.Signals = 'SIGTERM',
  ) {
    this.#stop = stop;
    this.#process = spawn(command, args, { env: { ...process.env, ...env } });
    this.#ended = once(this.#process, 'close').catch((error: unknown) => this.#printed.push(String(error)));
    void this.#ended.then(() => this.#more());
    for (const output of [this.#process.stdout, this.#process.stderr]) {
      createInterface(output).on('line', (line) => {
        this.#printed.push(line);
        this.#more();
      });
    }
  }

  get printed(): string {
    return this.#printed.join('\n');
  }

  /** The first line, of those not taken yet, that this makes something of; they are taken. */
  async line<T>(take: (line: string) => T | undefined): Promise<T> {
    for (;;) {
      const more = new Promise<void>((resolve) => (this.#more = resolve));
      for (let line = this.#printed.shift(); line !== undefined; line = this.#printed.shift()) {
        const taken = take(line);
        if (taken !== undefined) return taken;
        this.#passed.push(line);
      }
      if (this.#process.exitCode !== null || this.#process.signalCode !== null) {
        throw new Error(`the program ended:\n${this.#passed.join('\n')}`);
      }
      await more;
    }
  }

  /** The next line that is JSON. */
  async json<T>(): Promise<T> {
    return this.line((line) => (line.startsWith('{') ? (JSON.parse(line) as T) : undefined));
  }

  write(line: string): void {
    this.#process.stdin.write(`${line}\n`);
  }

  async stop(signal: NodeJS.Signals = this.#stop): Promise<void> {
    this.#process.stdin.end();
    this.#process.kill(signal);
    await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** What the test command built, by the variable that names it. */
export function built(name: string): string {
  const path = process.env[name];
  if (path === undefined) throw new Error(`set ${name}, or run the tests with \`cargo xtask browser\``);
  return path;
}
