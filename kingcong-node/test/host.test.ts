/**
 * Providers and key services in JavaScript: whatever they throw, reject with, return or leave undone, the process goes
 * on, the work ends as it must, and the money is right.
 */

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import path from 'node:path';

import { KingCong, type CloneVoice, type LogEvent, type MasterKey, type OpenOptions, type Speech } from 'kingcong';
import {
  AccountRateLimited,
  AnswerLost,
  BadRequest,
  Busy,
  ContentRefused,
  EgressRateLimited,
  KeyDead,
  KeyDoubtful,
  NotAllowed,
  OutOfCredit,
  ProviderFailure,
  RateLimited,
  Unsupported,
  type Call,
  type Provider,
  type Reply,
  type Running,
} from 'kingcong/providers';
import { expect, test, vi } from 'vitest';

import { LIMITS, MASTER_KEY, SECRET, Upstream, database, folder, gate, open, prepare, speech, wav } from './upstream';

/** A client whose provider does this; a task whose answer is lost soon fails, and is not tried again. */
async function staged(
  call: (call: Call, options: { signal: AbortSignal }) => unknown,
  options: OpenOptions = {},
): Promise<KingCong> {
  const provider = { protocol: 'ai33', call: call as Provider['call'] };
  const kc = await open('memory:', { providers: [provider], unknown: 'fail', callMaxMs: 100, ...options });
  await prepare(kc);
  return kc;
}

const AUDIO: Reply = { audio: wav(), contentType: 'audio/wav' };

/** What a provider does wrong, and what the error log says of it. */
const RUBBISH: readonly (readonly [name: string, call: (call: Call) => unknown, says: string])[] = [
  [
    'throws at once',
    () => {
      throw new Error('at once');
    },
    'threw Error: at once',
  ],
  [
    'rejects',
    async () => {
      throw new RangeError('later');
    },
    'threw RangeError: later',
  ],
  ['rejects with nothing', () => Promise.reject(undefined), 'threw undefined'],
  [
    'throws a text',
    () => {
      throw 'a text';
    },
    'threw "a text"',
  ],
  [
    'throws null',
    () => {
      throw null;
    },
    'threw null',
  ],
  [
    'throws what has no words',
    () => {
      throw new Proxy(
        {},
        {
          get() {
            throw new Error('no');
          },
        },
      );
    },
    'threw',
  ],
  ['resolves to nothing', async () => undefined, 'must resolve to { audio, contentType }, not undefined'],
  ['returns nothing', () => undefined, 'must resolve to'],
  ['returns a number', () => 42, 'must resolve to'],
  ['returns null', async () => null, 'not null'],
  ['returns text for audio', async () => ({ audio: 'abc', contentType: 'audio/wav' }), 'audio must be a Buffer'],
  ['forgets the content type', async () => ({ audio: wav() }), 'contentType is missing'],
  ['returns a field of nobody', async () => ({ ...AUDIO, format: 'wav' }), 'has no field "format"'],
  ['returns a fractional length', async () => ({ ...AUDIO, audioMs: 1.5 }), 'audioMs must be a whole number'],
  ['returns a negative cost', async () => ({ ...AUDIO, cost: -1 }), 'must not be negative'],
  ['returns a float cost', async () => ({ ...AUDIO, cost: 0.1 }), "write '0.1' as a string"],
  [
    'returns a voice for a speech',
    async () => ({ voice: 'v' }),
    'must resolve to { audio, contentType }, not a Object',
  ],
  [
    'returns what throws when read',
    async () => ({
      get audio() {
        throw new Error('trap');
      },
    }),
    'trap',
  ],
  [
    'resolves to a trap',
    async () => ({
      get then() {
        throw new Error('no then');
      },
    }),
    'no then',
  ],
];

/** A client whose provider has an upstream accept each call, and answers each question with the next of these. */
async function polled(answers: (() => unknown)[], options: OpenOptions = {}): Promise<[KingCong, Call[]]> {
  const calls: Call[] = [];
  const provider = {
    protocol: 'ai33',
    call: async (call: Call) => {
      calls.push(call);
      return { acceptedAs: 'task-1', cost: 3 };
    },
    poll: async (call: Call) => {
      calls.push(call);
      return answers.shift()?.();
    },
  } as unknown as Provider;
  const kc = await open('memory:', { providers: [provider], pollIntervalMs: 1, ...options });
  await prepare(kc);
  return [kc, calls];
}

test('what an upstream counted is told by measure', async () => {
  const [kc] = await polled([() => ({ ...AUDIO, audioMs: 1200, characters: 9 })]);
  await kc.run(speech());
  const [usage] = await kc.reports.usage();
  // The characters as the upstream says, and the length that the audio itself has.
  expect(usage?.counts).toEqual({ character: 9, audio_ms: 10 });
});

test('work that an upstream took is asked about until it ends', async () => {
  const limited = (): never => {
    throw new RateLimited('ask later');
  };
  const defect = (): never => {
    throw new Error('a defect');
  };
  const told: LogEvent[] = [];
  // What a poll rejects with, and what is no answer, says nothing about the work.
  const answers = [() => ({ percent: 40 }), () => ({ percent: null }), limited, defect, () => undefined, () => AUDIO];
  const [kc, calls] = await polled(answers, { log: (event) => told.push(event) });
  const done = await kc.run(speech());
  expect(done.job).toMatchObject({ state: 'completed', charged: 9 });
  expect(done.tasks[0]).toMatchObject({ possibleDouble: false });
  expect(calls.map((call) => call.upstreamId)).toEqual([null, ...Array<string>(6).fill('task-1')]);
  expect(await kc.reports.usage()).toMatchObject([{ cost: '3' }]);
  expect((await kc.verify()).isSound).toBe(true);
  expect(told.map((event) => event.message).join()).toContain('a defect; it is asked again how far the work is');
});

test('what an upstream ended without a result costs nothing', async () => {
  const [kc] = await polled([() => ({ percent: 1 }), () => ({ failed: new ContentRefused('not nice') })]);
  expect((await kc.run(speech())).job).toMatchObject({ state: 'failed', charged: 0 });
  expect(await kc.reports.errors()).toMatchObject([{ kind: 'policy', message: 'not nice' }]);
});

const asks = async (): Promise<Running> => ({ percent: null });

test.each([
  ['accepts under no id', { acceptedAs: '' }, asks, '1 to 256 bytes'],
  ['accepts under a number', { acceptedAs: 1 }, asks, 'acceptedAs must be a string'],
  ['accepts and cannot be asked', { acceptedAs: 'task-1' }, undefined, 'it needs a function poll'],
])('a provider that %s loses its answer', async (_name, accepted, poll, says) => {
  const told: LogEvent[] = [];
  const provider = { protocol: 'ai33', call: async () => accepted, ...(poll && { poll }) } as unknown as Provider;
  const log = (event: LogEvent): number => told.push(event);
  const kc = await open('memory:', { providers: [provider], unknown: 'fail', callMaxMs: 100, log });
  await prepare(kc);
  expect((await kc.run(speech())).job).toMatchObject({ state: 'failed', charged: 0 });
  const heard = [...told.map((event) => event.message), ...(await kc.reports.errors()).map((error) => error.message)];
  expect(heard.join()).toContain(says);
});

test.each(RUBBISH)('a provider that %s fails its task, which costs nothing', async (_name, call, says) => {
  const told: LogEvent[] = [];
  const kc = await staged(call, { log: (event) => told.push(event) });
  const done = await kc.run(speech());
  expect(done.job).toMatchObject({ state: 'failed', charged: 0 });
  expect(done).toMatchObject({ balance: 1_000, available: 1_000 });
  expect((await kc.reports.errors()).map(({ kind }) => kind)).toEqual(['unknown']);
  const mistake = told.find(({ target }) => target === 'kingcong/providers');
  expect(mistake).toMatchObject({ level: 'error', message: expect.stringContaining(says) as string });
  expect((await kc.verify()).isSound).toBe(true);
});

test.each([
  ['Error', (words: string) => new Error(words)],
  ['AnswerLost', (words: string) => new AnswerLost(words)],
  ['BadRequest', (words: string, code: string) => new BadRequest(words, { code })],
])('no words of a provider that throws %s repeat the secret', async (_name, failure) => {
  const told: LogEvent[] = [];
  const secrets: string[] = [];
  const provider = (call: Call): Promise<Reply> => {
    secrets.push(call.secret);
    const encoded = Buffer.from(`user:${call.secret}`).toString('base64');
    const words = `bad key ${call.secret}, ${encodeURIComponent(call.secret)}, ${encoded}`;
    throw failure(words, call.secret);
  };
  const kc = await staged(provider, { log: (event) => told.push(event) });
  const done = await kc.run(speech());
  const said = JSON.stringify([done, await kc.reports.errors(), await kc.keys.list(), told]);
  expect(secrets.length).toBeGreaterThan(0);
  for (const secret of secrets) {
    expect(said).not.toContain(secret);
    expect(said).not.toContain(Buffer.from(`user:${secret}`).toString('base64').slice(8, -4));
  }
});

test.each([
  [new BadRequest('m'), 'bad_request'],
  [new ContentRefused('m'), 'policy'],
  [new NotAllowed('m'), 'not_allowed'],
  [new KeyDead('m'), 'key_dead'],
  [new KeyDoubtful('m'), 'key_doubtful'],
  [new OutOfCredit('m'), 'out_of_credit'],
  [new RateLimited('m', { retryAfterMs: 60_000 }), 'key_rate_limited'],
  [new AccountRateLimited('m'), 'account_rate_limited'],
  [new EgressRateLimited('m'), 'egress_rate_limited'],
  [new Busy('m'), 'busy'],
  [new Unsupported('m'), 'unsupported'],
  [new AnswerLost('m'), 'unknown'],
])('%s says whom it concerns', async (failure, kind) => {
  expect(failure).toBeInstanceOf(ProviderFailure);
  expect(failure.name).toBe(failure.constructor.name);
  const happened = gate();
  const kc = await staged(async () => {
    happened.open();
    throw Object.assign(failure, { code: 'E-7' });
  });
  const job = await kc.submit(speech('x'.repeat(5)));
  await happened.promise;
  await vi.waitFor(async () => {
    const [error] = await kc.reports.errors({ job: job.id });
    // Of a lost answer nothing more is known.
    const more = kind === 'unknown' ? {} : { upstreamCode: 'E-7', message: 'm' };
    expect(error).toMatchObject({ kind, ...more });
  });
  await job.cancel();
});

/** A provider that makes neither WAV nor voices. */
class Limited extends Upstream {
  readonly capabilities: Provider['capabilities'] = { elevenlabs: { lacking: ['wav', 'clone_voice'] } };
}

test.each<[string, Speech | CloneVoice]>([
  ['format wav', speech('Xin chào!', { format: 'wav' })],
  [
    'voice cloning',
    { user: 'user-1', name: 'An', sample: Buffer.from('ID3'), contentType: 'audio/mpeg', service: 'elevenlabs' },
  ],
])('%s that a provider cannot do is refused, and nothing is written', async (lacks, request) => {
  const upstream = new Limited();
  const kc = await open('memory:', { providers: [upstream] });
  await kc.keys.add('ai33', 'elevenlabs', SECRET, { limits: LIMITS });
  await kc.wallets.adjust('user-1', 1_000, { reason: 'test', idempotencyKey: 'first' });
  const before = await kc.wallets.get('user-1');
  for (const asked of [kc.estimate(request), kc.submit(request)]) {
    await expect(asked).rejects.toMatchObject({
      code: 'invalid_request',
      retryable: false,
      message: expect.stringContaining(`${lacks} cannot be done on ai33_elevenlabs`) as string,
      fields: { asked: [lacks] },
    });
  }
  expect(await kc.wallets.get('user-1')).toEqual(before);
  expect(await kc.jobs()).toEqual([]);
  expect((await kc.run(speech())).job.state).toBe('completed');
  expect(upstream.calls).toHaveLength(1);
});

test('what one server cannot do goes to another', async () => {
  const [upstream, other] = [new Limited(), Object.assign(new Upstream(), { protocol: 'ai84' })];
  const kc = await open('memory:', { providers: [upstream, other] });
  for (const server of ['ai33', 'ai84']) {
    await kc.keys.add(server, 'elevenlabs', `${SECRET}-${server}`, { limits: LIMITS });
  }
  await kc.wallets.adjust('user-1', 1_000, { reason: 'test', idempotencyKey: 'first' });
  const wav = speech('Xin chào!', { format: 'wav' });
  for (let job = 0; job < 5; job += 1) expect((await kc.run(wav)).job.state).toBe('completed');
  expect([upstream.calls.length, other.calls.length]).toEqual([0, 5]);
});

test('a job of several MP3s goes to servers of one layout', async () => {
  const laidOut = (protocol: string, channels: 1 | 2) =>
    Object.assign(new Upstream(), {
      protocol,
      capabilities: { elevenlabs: { mp3: { sampleRate: 44_100, channels } } } as const,
    });
  const [mono, stereo] = [laidOut('ai33', 1), laidOut('ai84', 2)];
  const kc = await open('memory:', { providers: [mono, stereo] });
  for (const server of ['ai33', 'ai84']) {
    await kc.keys.add(server, 'elevenlabs', `${SECRET}-${server}`, { limits: LIMITS });
  }
  await kc.config.setWeights({ ai33: 1, ai84: 2 });
  await kc.wallets.adjust('user-1', 1_000, { reason: 'test', idempotencyKey: 'first' });
  await kc.run(speech('One is here. Two is here. Three is here.', { pieces: 3 }));
  expect([mono.calls.length, stereo.calls.length]).toEqual([0, 3]);
});

test.each<[string, unknown, RegExp]>([
  ['a text', 'wav', /options\.providers\[0\]\.capabilities must be an object/],
  ['a field of nobody', { elevenlabs: { lacks: [] } }, /providers\[0\]\.capabilities\.elevenlabs has no field "lacks"/],
  ['one word', { elevenlabs: { lacking: 'wav' } }, /capabilities\.elevenlabs\.lacking must be an array/],
  ['an unknown word', { elevenlabs: { lacking: ['ogg'] } }, /elevenlabs\.lacking\[0\] must be 'mp3' or 'wav'/],
  [
    'no layout',
    { elevenlabs: { mp3: { sampleRate: 44_000, channels: 1 } } },
    /elevenlabs\.mp3: no MP3 has 1 channels at 44000/,
  ],
  ['half a layout', { elevenlabs: { mp3: { sampleRate: 44_100 } } }, /elevenlabs\.mp3\.channels is missing/],
  ['no service', { 'Eleven Labs': {} }, /^providers\[0\]\.capabilities.*ServiceId/],
])('capabilities that are %s are named', async (_name, capabilities, says) => {
  const made = folder();
  const provider = Object.assign(new Upstream(), { capabilities }) as Provider;
  await expect(open(`sqlite://${made}/never.db`, { providers: [provider] })).rejects.toThrow(says);
  expect(readdirSync(made)).toEqual([]);
});

test('a failure with rubbish in its fields is a failure all the same', async () => {
  const kc = await staged(async () => {
    const failure = new BadRequest('m', { retryAfterMs: NaN });
    throw Object.assign(failure, { code: { of: 'a kind' } });
  });
  expect((await kc.run(speech())).job.state).toBe('failed');
  const [error] = await kc.reports.errors();
  expect(error).toMatchObject({ kind: 'bad_request', upstreamCode: '[object Object]' });
});

test('a failure of a kind of its own is a mistake', async () => {
  class Odd extends ProviderFailure {
    readonly kind = 'odd' as 'busy';
  }
  const told: LogEvent[] = [];
  const kc = await staged(() => Promise.reject(new Odd('m')), { log: (event) => told.push(event) });
  expect((await kc.run(speech())).job.state).toBe('failed');
  expect(told.some(({ message }) => message.includes('threw Odd: m'))).toBe(true);
});

test('a provider keeps its this, and a thenable is awaited', async () => {
  class Own {
    readonly protocol = 'ai33';
    readonly #answer = AUDIO;
    call(): Promise<Reply> {
      const answer = this.#answer;
      const thenable: PromiseLike<Reply> = { then: (resolve, reject) => Promise.resolve(answer).then(resolve, reject) };
      return thenable as Promise<Reply>;
    }
  }
  const kc = await open('memory:', { providers: [new Own()] });
  await prepare(kc);
  expect((await kc.run(speech())).job.state).toBe('completed');
});

test('a mistake of a provider is warned of where nobody logs', async () => {
  const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  const kc = await staged(() => Promise.reject(new Error('oh')));
  await kc.run(speech());
  const says = 'the provider of ai33 threw Error: oh; nobody knows what its upstream did';
  expect(warned).toHaveBeenCalledWith(says, 'KingCongWarning');
  warned.mockRestore();
});

test('a provider that never settles is told when nobody waits any more, and its late answer changes nothing', async () => {
  const left = gate<unknown>();
  const begun = gate();
  const answer = gate<Reply>();
  const url = database();
  const provider: Provider = {
    protocol: 'ai33',
    call(_call, { signal }) {
      signal.addEventListener('abort', () => left.open(signal.reason));
      begun.open();
      return answer.promise;
    },
  };
  const kc = await open(url, { providers: [provider], drainMs: 20 });
  await prepare(kc);
  const job = await kc.submit(speech());
  await begun.promise;
  await kc.close();
  expect(await left.promise).toMatchObject({ name: 'AbortError' });
  answer.open(AUDIO);

  const again = await open(url, { mode: 'client' });
  expect((await again.job(job.id).status()).job).toMatchObject({ state: 'open', charged: 0, held: 9 });
  expect((await again.verify()).isSound).toBe(true);
});

test('many calls run at once', async () => {
  const both = gate();
  let running = 0;
  const kc = await staged(async () => {
    running += 1;
    if (running === 10) both.open();
    await both.promise;
    return AUDIO;
  });
  const jobs = await Promise.all(Array.from({ length: 10 }, () => kc.submit(speech('x'))));
  for (const job of jobs) expect((await job.wait()).job.state).toBe('completed');
});

test('close waits for a call that is under way', async () => {
  const begun = gate();
  const answer = gate<Reply>();
  const provider: Provider = {
    protocol: 'ai33',
    call() {
      begun.open();
      return answer.promise;
    },
  };
  const url = database();
  const kc = await open(url, { providers: [provider] });
  await prepare(kc);
  const job = await kc.submit(speech());
  await begun.promise;
  const closing = kc.close();
  answer.open(AUDIO);
  await closing;
  const again = await open(url);
  expect((await again.job(job.id).status()).job).toMatchObject({ state: 'completed', charged: 9 });
});

test('a client serves its own providers', async () => {
  const told: string[] = [];
  const own = (name: string): Provider => ({
    protocol: 'ai33',
    async call() {
      told.push(name);
      return AUDIO;
    },
  });
  const [one, two] = [
    await open('memory:', { providers: [own('one')] }),
    await open('memory:', { providers: [own('two')] }),
  ];
  await prepare(one);
  await prepare(two);
  await two.run(speech());
  await one.run(speech());
  expect(told).toEqual(['two', 'one']);
});

/** A key service with a key of its own. */
class Vault implements MasterKey {
  readonly id = 'vault-1';
  readonly #key = randomBytes(32);
  steps: string[] = [];

  async wrap(data: Buffer, context: Buffer): Promise<Buffer> {
    this.steps.push('wrap');
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(context);
    const sealed = Buffer.concat([cipher.update(data), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), sealed]);
  }

  unwrap(data: Buffer, context: Buffer): Buffer {
    this.steps.push('unwrap');
    const decipher = createDecipheriv('aes-256-gcm', this.#key, data.subarray(0, 12)).setAAD(context);
    decipher.setAuthTag(data.subarray(12, 28));
    return Buffer.concat([decipher.update(data.subarray(28)), decipher.final()]);
  }
}

test('a key service wraps and unwraps, and its key stays with it', async () => {
  const vault = new Vault();
  const url = database();
  const calls: Call[] = [];
  const provider: Provider = {
    protocol: 'ai33',
    async call(call) {
      calls.push(call);
      return AUDIO;
    },
  };
  const first = await open(url, { masterKey: vault, providers: [provider] });
  await prepare(first);
  await first.close();
  const second = await open(url, { masterKey: () => Promise.resolve(vault), providers: [provider] });
  expect((await second.run(speech())).job.state).toBe('completed');
  expect(calls[0]?.secret).toBe('sk-canary-of-the-tests');
  expect(vault.steps).toContain('wrap');
  expect(vault.steps).toContain('unwrap');
});

test.each<readonly [string, () => unknown]>([
  [
    'throws',
    () => {
      throw new Error('the KMS is down');
    },
  ],
  ['rejects', () => Promise.reject(new Error('the KMS is down'))],
  ['returns rubbish', () => 'the KMS is down'],
  ['returns nothing', () => undefined],
])('a key service that %s is an error, and nothing more', async (_name, step) => {
  const masterKey = { id: 'vault-1', wrap: step, unwrap: step } as MasterKey;
  const refused = KingCong.open(database(), { preset: 'kingcong', masterKey }).then(async (kc) => {
    try {
      await kc.keys.add('ai33', 'elevenlabs', 'sk-canary-of-the-tests');
    } finally {
      await kc.close();
    }
  });
  await expect(refused).rejects.toMatchObject({ name: 'KingCongError', code: 'master_key_failed' });
});

test('a master key is text, bytes, a file or what a function gives', async () => {
  const url = database();
  const file = path.join(folder(), 'master.key');
  for (const masterKey of [
    MASTER_KEY,
    new Uint8Array(MASTER_KEY),
    MASTER_KEY.toString('hex'),
    MASTER_KEY.toString('base64'),
    () => MASTER_KEY,
    async () => MASTER_KEY.toString('hex'),
  ]) {
    await (await open(url, { masterKey })).close();
  }
  const other = database();
  for (const masterKey of [{ file }, () => ({ file })]) await (await open(other, { masterKey })).close();
  const failed = KingCong.open(url, { masterKey: () => Promise.reject(new Error('no KMS')) });
  await expect(failed).rejects.toThrow('no KMS');
});

test('log events come to a callback, at its level, and never the secrets', async () => {
  const [grave, all]: [LogEvent[], LogEvent[]] = [[], []];
  const provider: Provider = { protocol: 'ai33', call: () => Promise.reject(new KeyDead('no such key')) };
  const kc = await open('memory:', { providers: [provider], log: (event) => all.push(event), logLevel: 'trace' });
  const other = await open('memory:', { log: (event) => grave.push(event), logLevel: 'error' });
  await prepare(kc);
  const job = await kc.submit(speech());
  await vi.waitFor(() => expect(all.some(({ target }) => target.startsWith('kingcong'))).toBe(true));
  await job.cancel();
  expect(JSON.stringify(all)).not.toContain('sk-canary');
  expect(grave.every(({ level }) => level === 'error')).toBe(true);
  await other.close();
});

test('a log callback that throws is warned of, and the work goes on', async () => {
  const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  const throwing = await open('memory:', {
    log: () => {
      throw new Error('full');
    },
    logLevel: 'trace',
  });
  await vi.waitFor(() => expect(warned).toHaveBeenCalledWith('the log callback threw Error: full', 'KingCongWarning'));
  await throwing.close();
  warned.mockClear();
  const rejecting = await open('memory:', {
    log: async () => {
      throw new Error('later');
    },
    logLevel: 'trace',
  });
  await vi.waitFor(() => expect(warned).toHaveBeenCalledWith('the log callback threw Error: later', 'KingCongWarning'));
  expect((await rejecting.verify()).isSound).toBe(true);
  warned.mockRestore();
});
