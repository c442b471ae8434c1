/** What every test has: the app as it is in production, on a database and upstreams of its own. */

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { test as base, expect, type Browser, type Page } from '@playwright/test';
import { KingCong } from 'kingcong';

import { seed } from '../scripts/seed.mjs';
import { hashed } from '../server/passwords.mjs';
import { Program, built } from './programs';

export { expect };

export const VOICE = '21m00Tcm4TlvDq8ikWAM';
export const PASSWORD = 'a password of the tests';
const USERS = { lan: 'member', minh: 'member', admin: 'operator' } as const;
export type UserName = keyof typeof USERS;

const APP = path.join(import.meta.dirname, '..');
const NEXT = path.join(APP, 'node_modules', 'next', 'dist', 'bin', 'next');

/** How the stage is set, where it is not as usual. */
export interface Setting {
  /** How long a task takes at the upstreams, in milliseconds; `advance` makes it pass. */
  readonly latencyMs: number;
  readonly keys: number;
  readonly mode: 'both' | 'client';
  /** Another database than a fresh SQLite file. */
  readonly database: string | null;
}

type Described = Readonly<Record<string, { readonly url: string; readonly keys: readonly string[] }>>;

/** The upstreams, played. */
export class Upstreams {
  readonly #program: Program;
  readonly described: Described;

  private constructor(program: Program, described: Described) {
    this.#program = program;
    this.described = described;
  }

  static async start({ latencyMs, keys }: Setting): Promise<Upstreams> {
    const options = ['--latency-ms', String(latencyMs), '--keys', String(keys)];
    const program = new Program(built('KINGCONG_UPSTREAMS'), options, {}, 'SIGINT');
    return new Upstreams(program, await program.json<Described>());
  }

  /** Sets their clock forward. */
  async advance(milliseconds: number): Promise<void> {
    await this.#order(`advance ${milliseconds}`);
  }

  /** They no longer know this key. */
  async kill(server: string, key: string): Promise<void> {
    await this.#order(`kill ${server} ${key}`);
  }

  /** What each counted. */
  async report(): Promise<Readonly<Record<string, Readonly<Record<string, number>>>>> {
    return this.#order('report');
  }

  async #order<T>(order: string): Promise<T> {
    this.#program.write(order);
    const answer = await this.#program.json<T & { error?: string }>();
    if (answer.error !== undefined) throw new Error(`${order}: ${answer.error}`);
    return answer;
  }

  async stop(): Promise<void> {
    await this.#program.stop();
  }
}

/** The app, its upstreams, and a look behind them. */
export class Stage {
  readonly url: string;
  readonly upstreams: Upstreams;
  /** Another process's client, which submits and leaves the work to the app. */
  readonly kc: KingCong;
  readonly environment: Readonly<Record<string, string>>;
  readonly #app: Program;

  private constructor(
    url: string,
    upstreams: Upstreams,
    kc: KingCong,
    environment: Record<string, string>,
    app: Program,
  ) {
    this.url = url;
    this.upstreams = upstreams;
    this.kc = kc;
    this.environment = environment;
    this.#app = app;
  }

  static async start(folder: string, setting: Setting): Promise<Stage> {
    const upstreams = await Upstreams.start(setting);
    const database = setting.database ?? `sqlite://${path.join(folder, 'kingcong.db')}`;
    const masterKey = randomBytes(32).toString('base64');
    await seed(database, masterKey, upstreams.described);

    const password = await hashed(PASSWORD);
    const users = Object.entries(USERS).map(([id, role]) => ({ id, name: id, role, password }));
    await writeFile(path.join(folder, 'users.json'), JSON.stringify(users));
    const environment = {
      DATABASE_URL: database,
      KINGCONG_MASTER_KEY: masterKey,
      MODE: setting.mode,
      USERS_FILE: path.join(folder, 'users.json'),
      SESSIONS_FOLDER: path.join(folder, 'sessions'),
      PAYMENT_SECRET: randomBytes(32).toString('hex'),
      PAYMENT_GATEWAY: 'test',
      // One that is free; Next.js tells which.
      PORT: '0',
      NEXT_MANUAL_SIG_HANDLE: 'true',
      NEXT_TELEMETRY_DISABLED: '1',
      NODE_ENV: 'production',
    };
    // For what tests do in the app's name, such as signing a payment.
    Object.assign(process.env, { PAYMENT_SECRET: environment.PAYMENT_SECRET });
    // A request on a connection that the app is just ending, because it was idle, would be reset.
    const options = ['--hostname', '127.0.0.1', '--keepAliveTimeout', '75000'];
    const app = new Program(process.execPath, [NEXT, 'start', APP, ...options], environment);
    let url: string;
    try {
      url = await app.line((line) => /Local: +(http:\S+)/.exec(line)?.[1]);
      await app.line((line) => (line.includes('Ready in') ? true : undefined));
      // Which it is when it has begun with the first request.
      expect((await fetch(`${url}/sign-in`)).status).toBe(200);
    } catch (error) {
      await upstreams.stop();
      throw error;
    }
    const kc = await KingCong.open(database, { masterKey, mode: 'client' });
    return new Stage(url, upstreams, kc, environment, app);
  }

  /** Credits as somebody bought them. */
  async credits(user: UserName, amount: number): Promise<void> {
    await this.kc.wallets.adjust(user, amount, { reason: 'test', idempotencyKey: `credits-${user}` });
  }

  /** Asks the app to end, and waits until it has. */
  async end(): Promise<void> {
    await this.#app.stop();
  }

  /** Stops everything. A sound ledger is what every test leaves behind. */
  async stop(): Promise<void> {
    await this.#app.stop();
    const { discrepancies } = await this.kc.verify();
    await this.kc.close();
    await this.upstreams.stop();
    expect(discrepancies).toEqual([]);
    expect(this.#app.printed).not.toMatch(/error/i);
  }
}

interface Fixtures {
  readonly setting: Partial<Setting>;
  readonly stage: Stage;
  /** A page of somebody who is signed in, in a browser of their own. */
  readonly as: (user: UserName) => Promise<Page>;
}

const USUAL: Setting = { latencyMs: 200, keys: 6, mode: 'both', database: null };

export const test = base.extend<Fixtures>({
  setting: [{}, { option: true }],
  stage: async ({ setting }, use) => {
    const folder = await mkdtemp(path.join(tmpdir(), 'kingcong-page-'));
    try {
      const stage = await Stage.start(folder, { ...USUAL, ...setting });
      await use(stage);
      await stage.stop();
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
  baseURL: async ({ stage }, use) => use(stage.url),
  as: async ({ browser, stage }, use) => {
    const pages: Page[] = [];
    await use(async (user) => {
      const page = await signedIn(browser, stage, user);
      pages.push(page);
      return page;
    });
    for (const page of pages) await page.context().close();
  },
});

async function signedIn(browser: Browser, stage: Stage, user: UserName): Promise<Page> {
  const context = await browser.newContext({ baseURL: stage.url, locale: 'vi-VN' });
  const page = await context.newPage();
  // What the page itself does wrong fails the test that did it.
  page.on('pageerror', (error) => {
    throw error;
  });
  const answer = await page.request.post('/api/session', {
    headers: { Origin: stage.url },
    data: { name: user, password: PASSWORD },
  });
  expect(answer.status()).toBe(204);
  return page;
}

/**
 * Does what sends something to a door of the app (`PUT /api/admin/weights`), and waits for the answer: its status. What a
 * page shows meanwhile tells nothing of the door: buttons are disabled, and what stands behind a dialog is not there.
 */
export async function answered(page: Page, door: string, act: () => Promise<void>): Promise<number> {
  const answer = page.waitForResponse((response) => {
    return `${response.request().method()} ${new URL(response.url()).pathname}` === door;
  });
  await act();
  return (await answer).status();
}

/** What the status bar says that is left. */
export function credits(page: Page) {
  return page.getByTestId('credits');
}

/** Fills in the form, and answers when its price is shown. */
export async function write(page: Page, text: string, pieces: '' | '5' | '10' | '20' = ''): Promise<void> {
  await page.goto('/tools/speech');
  await page.getByLabel('Giọng đọc').selectOption({ label: 'Rachel (en)' });
  await page.getByLabel('Số task').selectOption(pieces);
  await page.getByLabel('Văn bản', { exact: true }).fill(text);
  await expect(page.getByTestId('count')).toContainText(`${[...text].length.toLocaleString('vi-VN')} ký tự`);
}

/** Sends the form; the job that it became. */
export async function speak(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Tạo giọng nói' }).click();
  await expect(page.getByTestId('job')).toBeVisible();
}

/** Waits until the job that is shown has ended, and so. */
export async function jobIs(page: Page, state: 'completed' | 'cancelled'): Promise<void> {
  const job = page.getByTestId('job');
  await expect(job).toHaveAttribute('data-state', /^(completed|failed|cancelled)/, { timeout: 90_000 });
  await expect(job, await job.innerText()).toHaveAttribute('data-state', state);
}

/** Sentences that are cut into that many pieces evenly. */
export function sentences(count: number): string {
  return Array.from({ length: count }, (_, place) => `Câu số ${String(place).padStart(3, '0')} của bài này.`).join(' ');
}
