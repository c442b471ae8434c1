/**
 * What the tests share: an upstream of our own, and clients with it.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { KingCong, type OpenOptions, type Speech } from 'kingcong';
import { BadRequest, type Call, type Provider, type Reply } from 'kingcong/providers';
import { onTestFinished } from 'vitest';

export const VOICE = '21m00Tcm4TlvDq8ikWAM';
export const SECRET = 'sk-canary-of-the-tests';
/** More than any test needs in a minute. */
export const LIMITS = { maxInFlight: 1_000, perMinute: 100_000 };
export const MASTER_KEY = Buffer.alloc(32, 7);

/** Silence. */
export function wav(milliseconds = 10): Buffer {
  const data = milliseconds * 16;
  const file = Buffer.alloc(44 + data);
  file.write('RIFF', 0);
  file.writeUInt32LE(36 + data, 4);
  file.write('WAVEfmt ', 8);
  for (const [at, value, bytes] of [
    [16, 16, 4],
    [20, 1, 2],
    [22, 1, 2],
    [24, 8_000, 4],
    [28, 16_000, 4],
    [32, 2, 2],
    [34, 16, 2],
  ] as const) {
    file.writeUIntLE(value, at, bytes);
  }
  file.write('data', 36);
  file.writeUInt32LE(data, 40);
  return file;
}

/** A provider that answers at once, and remembers what it was asked. */
export class Upstream implements Provider {
  readonly protocol = 'ai33';
  readonly calls: Call[] = [];
  /** How long what it gives is. */
  milliseconds = 10;
  /** Texts with this in them are refused. */
  refused: string | undefined;

  async call(call: Call): Promise<Reply> {
    this.calls.push(call);
    if (call.work.kind === 'clone_voice') return { voice: `voice-of-${call.work.name}` };
    if (this.refused !== undefined && call.work.text.includes(this.refused)) throw new BadRequest('not that one');
    return { audio: wav(this.milliseconds), contentType: 'audio/wav', cost: call.work.text.length };
  }
}

/** A request of the user that tests are about. */
export function speech(text = 'Xin chào!', more: Partial<Speech> = {}): Speech {
  return { user: 'user-1', text, service: 'elevenlabs', voice: VOICE, ...more };
}

/** A folder that is gone after the test. */
export function folder(): string {
  const made = mkdtempSync(path.join(tmpdir(), 'kingcong-'));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** The URL of a fresh SQLite file. */
export function database(): string {
  return `sqlite://${path.join(folder(), 'kingcong.db')}`;
}

export const STORES = ['memory', 'sqlite'] as const;
export type StoreName = (typeof STORES)[number];

/** A client that is closed after the test. */
export async function open(url: string, options: OpenOptions = {}): Promise<KingCong> {
  const kc = await KingCong.open(url, { preset: 'kingcong', masterKey: MASTER_KEY, ...options });
  onTestFinished(() => kc.close());
  return kc;
}

export interface Stage {
  readonly kc: KingCong;
  readonly upstream: Upstream;
}

/** A client on a store of its own, with an upstream of ours. */
export async function stage(store: StoreName = 'memory', options: OpenOptions = {}): Promise<Stage> {
  const upstream = new Upstream();
  const url = store === 'memory' ? 'memory:' : database();
  return { kc: await open(url, { providers: [upstream], ...options }), upstream };
}

/** A key, and credits for the user; everything goes to our upstream. */
export async function prepare(kc: KingCong, credits = 1_000): Promise<void> {
  await kc.keys.add('ai33', 'elevenlabs', SECRET, { limits: LIMITS });
  await kc.config.setWeights({ ai33: 1, ai84: 0 });
  await kc.wallets.adjust('user-1', credits, { reason: 'test', idempotencyKey: 'first' });
}

/** A day from now. */
export function tomorrow(): Date {
  return new Date(Date.now() + 24 * 60 * 60 * 1000);
}

/** A promise with its ends in hand. */
export function gate<T = void>(): { readonly promise: Promise<T>; readonly open: (value: T) => void } {
  let open: (value: T) => void = () => {};
  const promise = new Promise<T>((resolve) => {
    open = resolve;
  });
  return { promise, open };
}
