/** Hosts in Rust, Python and JavaScript on one PostgreSQL: what one takes on another does, and a third watches. */

import path from 'node:path';

import type { Page } from '@playwright/test';

import { Program, built } from './programs';
import { credits, expect, jobIs, speak, test as onStage, write, type Stage } from './stage';

type Language = 'rust' | 'python' | 'javascript';
type Mode = 'both' | 'client';

interface Report {
  readonly state: string;
  readonly charged: number;
  readonly balance: number;
}

/** A host in another process, of another language. */
class Peer {
  readonly #program: Program;

  private constructor(program: Program) {
    this.#program = program;
  }

  static async start(language: Language, mode: Mode, stage: Stage): Promise<Peer> {
    const python = [path.join(import.meta.dirname, 'peer.py')];
    const [command, args] = language === 'rust' ? [built('KINGCONG_PEER'), []] : [built('KINGCONG_PYTHON'), python];
    const peer = new Peer(new Program(command, [...args, mode], stage.environment));
    await peer.#program.json();
    return peer;
  }

  async submit(user: string, text: string, key: string): Promise<string> {
    return (await this.#order<{ job: string }>({ submit: { user, text, key } })).job;
  }

  async wait(job: string): Promise<Report> {
    return this.#order<Report>({ wait: job });
  }

  async #order<T>(order: object): Promise<T> {
    this.#program.write(JSON.stringify(order));
    const answer = await this.#program.json<T & { error?: string }>();
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  }

  async stop(): Promise<void> {
    await this.#program.stop();
  }
}

/** What each process does; the app is the one in JavaScript. */
interface Cast {
  readonly rust: Mode;
  readonly python: Mode;
  readonly javascript: Mode;
}

interface Fixtures {
  readonly cast: Cast;
  readonly database: string;
  readonly peers: { readonly rust: Peer; readonly python: Peer };
}

const test = onStage.extend<Fixtures>({
  cast: [{ rust: 'both', python: 'both', javascript: 'both' }, { option: true }],
  database: async ({}, use) => {
    const postgres = new Program(built('KINGCONG_POSTGRES'), []);
    await use(await postgres.line((line) => (line.startsWith('postgres:') ? line : undefined)));
    await postgres.stop();
  },
  setting: async ({ cast, database }, use) => use({ database, mode: cast.javascript, keys: 2 }),
  peers: async ({ cast, stage }, use) => {
    const rust = await Peer.start('rust', cast.rust, stage);
    const python = await Peer.start('python', cast.python, stage);
    await use({ rust, python });
    await rust.stop();
    await python.stop();
  },
});

const TEXT = 'Ba tiến trình, một cơ sở dữ liệu.';
const PRICE = [...TEXT].length;

async function newestJob(page: Page): Promise<void> {
  await page.goto('/tools/speech');
  await page
    .getByRole('button', { name: /^Mở công việc/ })
    .first()
    .click();
}

test.describe('submitted in JavaScript', () => {
  test.use({ cast: { javascript: 'client', rust: 'both', python: 'client' } });

  test('a job is done in Rust and watched in Python', async ({ as, peers, stage }) => {
    await stage.credits('lan', 1_000);
    const page = await as('lan');
    await write(page, TEXT);
    await speak(page);
    const [job] = await stage.kc.jobs({ user: 'lan' });
    const seen = await peers.python.wait(job?.id ?? '');
    expect(seen).toEqual({ state: 'completed', charged: PRICE, balance: 1_000 - PRICE });
    await jobIs(page, 'completed');
    await expect(credits(page)).toHaveText(String(1_000 - PRICE));
  });
});

test.describe('submitted in Rust', () => {
  test.use({ cast: { javascript: 'client', rust: 'client', python: 'both' } });

  test('a job is done in Python and watched in the browser', async ({ as, peers, stage }) => {
    await stage.credits('lan', 1_000);
    await peers.rust.submit('lan', TEXT, 'rust-1');
    const page = await as('lan');
    await newestJob(page);
    await jobIs(page, 'completed');
    await expect(page.locator('audio')).toBeVisible();
    await expect(credits(page)).toHaveText(String(1_000 - PRICE));
  });
});

test.describe('submitted in Python', () => {
  test.use({ cast: { javascript: 'both', rust: 'client', python: 'client' } });

  test('a job is done in JavaScript and watched in Rust', async ({ peers, stage }) => {
    await stage.credits('lan', 1_000);
    const job = await peers.python.submit('lan', TEXT, 'python-1');
    expect(await peers.rust.wait(job)).toEqual({ state: 'completed', charged: PRICE, balance: 1_000 - PRICE });
  });
});

test('three processes share limits and money, and the same order is one job', async ({ as, peers, stage }) => {
  const texts = Array.from({ length: 12 }, (_, number) => `${TEXT} ${number + 10}`);
  const price = texts.reduce((sum, text) => sum + [...text].length, 0);
  // One key on each server, which may start ten and five calls a minute.
  await stage.credits('lan', price);
  const jobs = new Set<string>();
  for (const [number, text] of texts.entries()) {
    const hosts = [peers.rust, peers.python];
    for (const host of number % 2 === 0 ? hosts : hosts.reverse()) {
      jobs.add(await host.submit('lan', text, `order-${number}`));
    }
  }
  expect(jobs.size).toBe(texts.length);
  for (const job of jobs) expect((await peers.rust.wait(job)).state).toBe('completed');

  const counted = Object.values(await stage.upstreams.report());
  expect(counted.reduce((sum, { accepted = 0 }) => sum + accepted, 0)).toBe(texts.length);
  expect(counted.map(({ violations }) => violations)).toEqual(counted.map(() => []));
  const page = await as('lan');
  await page.goto('/tools/credits');
  await expect(credits(page)).toHaveText('0');
});
