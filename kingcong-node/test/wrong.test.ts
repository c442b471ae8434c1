/**
 * What is wrong is refused by the right error, with words that tell what to do, and nothing is done.
 */

import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';

import { KingCong, KingCongError, type OpenOptions } from 'kingcong';
import { describe, expect, test } from 'vitest';

import { MASTER_KEY, STORES, Upstream, VOICE, database, folder, open, prepare, speech, stage } from './upstream';

/** Calls as JavaScript makes them, where nothing checks types. */
type Loose = (...args: unknown[]) => Promise<unknown>;

function loose(on: object, door: string): Loose {
  const method = (on as Record<string, Loose>)[door] as Loose;
  return (...args) => method.apply(on, args);
}

const WHY = { reason: 'r', idempotencyKey: 'k' };

/** A door with something wrong, `TypeError` or the error's code, and what its words have. */
const WRONG: readonly (readonly [name: string, (kc: KingCong) => Promise<unknown>, error: string, words: string])[] = [
  ['a number for a user', (kc) => loose(kc.wallets, 'get')(7), 'TypeError', 'user must be a string, not 7'],
  ['no user', (kc) => loose(kc.wallets, 'get')(), 'TypeError', 'user is missing: give a string'],
  [
    'a unit of nobody',
    (kc) => loose(kc.wallets, 'get')('u', { unit: 'dong' }),
    'TypeError',
    "unit must be 'credit' or",
  ],
  ['an option of nobody', (kc) => loose(kc.wallets, 'get')('u', { units: 'usd' }), 'TypeError', 'has no field "units"'],
  ['options that are none', (kc) => loose(kc.wallets, 'get')('u', 'usd'), 'TypeError', 'options must be an object'],
  ['a user of spaces', (kc) => kc.wallets.get(' '), 'invalid_request', 'surrounding spaces'],
  ['a fraction', (kc) => kc.wallets.adjust('u', 0.1, WHY), 'TypeError', "write '0.1' as a string"],
  ['an unsafe integer', (kc) => kc.wallets.adjust('u', 2 ** 53, WHY), 'TypeError', 'beyond 2^53'],
  ['NaN', (kc) => kc.wallets.adjust('u', NaN, WHY), 'TypeError', 'NaN is not'],
  ['infinity', (kc) => kc.wallets.adjust('u', Infinity, WHY), 'TypeError', 'Infinity is not'],
  ['a bigint', (kc) => loose(kc.wallets, 'adjust')('u', 5n, WHY), 'TypeError', 'not 5n'],
  ['yes', (kc) => loose(kc.wallets, 'adjust')('u', true, WHY), 'TypeError', 'not true'],
  ['an amount in words', (kc) => kc.wallets.adjust('u', '1e3', WHY), 'TypeError', "such as '0.10'"],
  ['more digits than the unit', (kc) => kc.wallets.adjust('u', '0.5', WHY), 'invalid_request', 'too many digits'],
  ['nothing', (kc) => kc.wallets.adjust('u', 0, WHY), 'amount_refused', 'not zero'],
  ['no reason', (kc) => loose(kc.wallets, 'adjust')('u', 1, { idempotencyKey: 'k' }), 'TypeError', 'options.reason'],
  ['no options', (kc) => loose(kc.wallets, 'adjust')('u', 1), 'TypeError', 'options.reason'],
  ['a long reason', (kc) => kc.wallets.adjust('u', 1, { ...WHY, reason: 'x'.repeat(300) }), 'invalid_request', '255'],
  ['half a character', (kc) => kc.wallets.get('\ud800'), 'TypeError', 'user has half a character'],
  [
    'a limit in words',
    (kc) => loose(kc.wallets, 'history')('u', { limit: '10' }),
    'TypeError',
    'limit must be a whole',
  ],
  ['a negative limit', (kc) => kc.wallets.history('u', { limit: -1 }), 'TypeError', 'must not be negative'],
  ['a package of nobody', (kc) => kc.wallets.purchase('u', 'package-9', 'o'), 'not_found', 'package-9'],
  ['a text for a request', (kc) => loose(kc, 'submit')('Xin chào'), 'TypeError', 'request must be an object'],
  ['no request', (kc) => loose(kc, 'estimate')(), 'TypeError', 'request must be an object'],
  ['an empty text', (kc) => kc.submit(speech('')), 'invalid_request', 'empty'],
  ['a number for a text', (kc) => loose(kc, 'submit')({ ...speech(), text: 5 }), 'TypeError', 'request.text must be a'],
  ['a misspelt field', (kc) => loose(kc, 'submit')({ ...speech(), voiceId: 'v' }), 'TypeError', 'no field "voiceId"'],
  [
    'a day in words',
    (kc) => loose(kc, 'submit')({ ...speech(), startAt: 'now' }),
    'TypeError',
    'startAt must be a Date',
  ],
  ['no day', (kc) => kc.submit(speech('x', { startAt: new Date(NaN) })), 'TypeError', 'invalid Date'],
  ['a deadline in words', (kc) => loose(kc, 'submit')({ ...speech(), deadlineMs: '1' }), 'TypeError', 'deadlineMs'],
  ['a long deadline', (kc) => kc.submit(speech('x', { deadlineMs: 8 * 86_400_000 })), 'invalid_request', '7 days'],
  [
    'no weight',
    (kc) => kc.submit(speech('x', { weight: 0 })),
    'invalid_request',
    'weight must be a whole number from 1 to 1000, not 0',
  ],
  ['a setting', (kc) => kc.submit(speech('x', { settings: { speed: 7 } })), 'invalid_request', 'speed'],
  ['two voices', (kc) => kc.submit(speech('x', { clonedVoice: 'v' })), 'TypeError', 'several of voice, voices and'],
  [
    'a cloned voice that is none',
    (kc) => kc.submit({ user: 'u', text: 't', service: 'elevenlabs', clonedVoice: 'v' }),
    'invalid_request',
    'must be a UUID',
  ],
  ['no voice', (kc) => kc.submit({ user: 'u', text: 't', service: 'elevenlabs' }), 'invalid_request', 'voice'],
  ['a service of nobody', (kc) => kc.submit({ ...speech(), service: 'suno' }), 'not_found', 'suno'],
  [
    'a text for a recording',
    (kc) => loose(kc, 'submit')({ user: 'u', name: 'n', sample: 'text', contentType: 'a/b', service: 'elevenlabs' }),
    'TypeError',
    'request.sample must be a Buffer or Uint8Array',
  ],
  ['an empty secret', (kc) => kc.keys.add('ai33', 'elevenlabs', ''), 'key_refused', 'secret'],
  [
    'a server of nobody',
    (kc) => kc.keys.add('ai99', 'elevenlabs', 'sk-a-good-secret'),
    'configuration_refused',
    'ai99',
  ],
  [
    'limits that are none',
    (kc) => loose(kc.keys, 'add')('ai33', 'elevenlabs', 'sk-a-good-secret', { limits: [1, 2] }),
    'TypeError',
    'options.limits must be an object, not an array',
  ],
  [
    'a limit of zero',
    (kc) => kc.keys.add('ai33', 'elevenlabs', 'sk-a-good-secret', { limits: { maxInFlight: 0, perMinute: 1 } }),
    'invalid_request',
    'limits.maxInFlight must be a whole number from 1 to 4294967295, not 0',
  ],
  [
    'a new account without limits',
    (kc) => kc.keys.add('ai33', 'elevenlabs', 'sk-a-good-secret', { account: 'a' }),
    'key_refused',
    'first key',
  ],
  [
    'limits of no account',
    (kc) => kc.keys.add('ai33', 'elevenlabs', 'sk-a-good-secret', { accountLimits: { maxInFlight: 1, perMinute: 1 } }),
    'invalid_request',
    'the name of the account',
  ],
  ['a key that is no id', (kc) => kc.keys.get('no-uuid'), 'invalid_request', 'UUID'],
  ['maintenance in a word', (kc) => loose(kc.config, 'setMaintenance')('full'), 'TypeError', 'maintenance must be an'],
  ['maintenance of nobody', (kc) => kc.config.setMaintenance({ services: ['suno'] }), 'configuration_refused', 'suno'],
  ['half a weight', (kc) => kc.config.setWeights({ ai33: 1.5 }), 'TypeError', 'weights.ai33 must be a whole number'],
  [
    'perhaps',
    (kc) => loose(kc.config, 'setRoute')('ai33', 'elevenlabs', 'maybe'),
    'TypeError',
    `to must be 'on' or 'off', not "maybe"`,
  ],
  [
    'a price in floats',
    (kc) =>
      kc.prices.set({
        server: 'ai33',
        service: 'elevenlabs',
        operation: 'speech',
        lines: [{ measure: 'character', price: 0.5 }],
      }),
    'TypeError',
    'price.lines[0].price must be exact',
  ],
  [
    'a negative price',
    (kc) =>
      kc.prices.set({
        server: 'ai33',
        service: 'elevenlabs',
        operation: 'speech',
        lines: [{ measure: 'character', price: -1 }],
      }),
    'configuration_refused',
    'negative',
  ],
  [
    'a package without a label',
    (kc) => kc.packages.set({ id: 'p', label: '', credits: 1, price: 1 }),
    'configuration_refused',
    'label',
  ],
  ['a job of nobody', (kc) => kc.job('01932c07-6f2a-7c40-8a3e-6d1f5b0c9e21').status(), 'not_found', 'job'],
  ['a job that is no id', (kc) => kc.job('nonsense').status(), 'invalid_request', 'UUID'],
  ['a place that is none', (kc) => loose(kc.job('nonsense'), 'taskOutput')('0'), 'TypeError', 'place'],
  [
    'an audit before an instant',
    (kc) => loose(kc.reports, 'audit')({ before: new Date(0) }),
    'TypeError',
    'before must be a string',
  ],
  [
    'an audit before words',
    (kc) => kc.reports.audit({ before: '2030' }),
    'invalid_request',
    'AuditId "2030" must be a UUID',
  ],
  ['a signal that is none', (kc) => loose(kc.wallets, 'get')('u', { signal: true }), 'TypeError', 'an AbortSignal'],
  [
    'nobody who acts',
    (kc) => kc.acting({ actor: '', role: 'operator' }).wallets.adjust('u', 1, WHY),
    'invalid_request',
    'Actor',
  ],
  ['an object for a path', (kc) => loose(kc, 'backup')({}), 'TypeError', 'path must be a string'],
];

describe.each(STORES)('on %s', (store) => {
  test.each(WRONG)('%s', async (_name, knock, error, words) => {
    const { kc } = await stage(store);
    const before = await kc.config.get();
    const refused = (await knock(kc).then(
      () => new Error('nothing was refused'),
      (refused: unknown) => refused,
    )) as Error;
    expect(refused.message).toContain(words);
    if (error === 'TypeError') expect(refused).toBeInstanceOf(TypeError);
    else expect(refused).toMatchObject({ name: 'KingCongError', code: error });
    expect(await kc.config.get()).toEqual(before);
    expect((await kc.wallets.get('u')).entries).toBe(0);
    expect(await kc.jobs()).toEqual([]);
  });
});

test('an actor and a job of another type are refused at once', async () => {
  const { kc } = await stage();
  expect(() => kc.acting({ actor: 7 as unknown as string, role: 'operator' })).toThrow(
    new TypeError('access.actor must be a string, not 7'),
  );
  expect(() => kc.job(undefined as unknown as string)).toThrow(new TypeError('id is missing: give a string'));
});

test('an error says whether to try again and what the user is told', async () => {
  const { kc } = await stage();
  await prepare(kc, 5);
  const poor = (await kc.submit(speech()).catch((error: unknown) => error)) as KingCongError;
  expect(poor).toBeInstanceOf(KingCongError);
  expect(poor).toMatchObject({ code: 'insufficient_credits', retryable: false, fields: { needed: 9, available: 5 } });
  expect(poor.userMessage()).toBe('Not enough credits, please top up');
  expect(poor.userMessage('vi')).toBe('Credits không đủ, vui lòng nạp thêm');
  // It names the line that asked.
  expect(poor.stack).toContain('wrong.test.ts');
  await kc.config.setMaintenance({ isFull: true });
  const down = (await kc.submit(speech()).catch((error: unknown) => error)) as KingCongError;
  expect(down).toMatchObject({ code: 'under_maintenance', retryable: true });
  expect(down.userMessage('vi')).toBe('Server KingCong đang bảo trì');
});

test('a closed client says so', async () => {
  const { kc } = await stage();
  await kc.close();
  await kc.close();
  await expect(kc.wallets.get('user-1')).rejects.toMatchObject({ code: 'closed' });
  await expect(kc.job('01932c07-6f2a-7c40-8a3e-6d1f5b0c9e21').events().next()).rejects.toMatchObject({
    code: 'closed',
  });
});

test.each([
  ['redis://localhost', 'invalid_request', 'sqlite://, postgres://, mysql://'],
  ['sqlite://', 'invalid_request', 'names no database file'],
  ['postgres://nobody@127.0.0.1:1/none', 'store_unavailable', 'PostgreSQL'],
  ['mysql://nobody@127.0.0.1:1/none', 'store_unavailable', 'server cannot be reached'],
])('a database that cannot be opened is named: %s', async (url, code, words) => {
  const refused = (await KingCong.open(url, { masterKey: MASTER_KEY }).catch((error: unknown) => error)) as Error;
  expect(refused).toMatchObject({ code });
  expect(refused.message).toContain(words);
});

test.each<readonly [OpenOptions | Record<string, unknown>, string, string]>([
  [{ preset: 'donkey' }, 'TypeError', "options.preset must be 'kingcong'"],
  [{ deadAfterMs: 1_000 }, 'invalid_request', 'deadAfterMs: 1s must be at least 2 s'],
  [{ deadAfterMs: '30' }, 'TypeError', 'options.deadAfterMs must be a whole number'],
  [{ drainMs: -1 }, 'TypeError', 'negative'],
  [{ drain: 5 }, 'TypeError', 'options has no field "drain"'],
  [{ masterKey: 'not a key' }, 'master_key_failed', 'not a key'],
  [{ masterKey: 5 }, 'TypeError', 'options.masterKey must be'],
  [{ masterKey: Buffer.alloc(16) }, 'TypeError', '32 bytes, not 16'],
  [{ masterKey: {} }, 'TypeError', 'options.masterKey must be'],
  [{ masterKey: () => 7 }, 'TypeError', 'options.masterKey must be'],
  [{ mode: 'boss' }, 'TypeError', "mode must be 'both' or 'client'"],
  [{ outputs: 7 }, 'TypeError', 'outputs must be a string'],
  [{ log: 'console' }, 'TypeError', 'options.log must be a function'],
  [{ logLevel: 'loud' }, 'TypeError', 'options.logLevel must be'],
  [{ providers: {} }, 'TypeError', 'options.providers must be an array'],
  [{ providers: [{ protocol: 'own' }] }, 'TypeError', 'options.providers[0] must be an object with protocol and call'],
  [{ providers: [{ call: async () => {} }] }, 'TypeError', 'options.providers[0].protocol'],
  [{ providers: [new Upstream(), new Upstream()] }, 'TypeError', 'a second provider of "ai33"'],
  [{ providers: [{ protocol: 'O w n', call: async () => {} }] }, 'invalid_request', 'O w n'],
])('options are checked before anything is opened: %j', async (options, error, words) => {
  const never = folder();
  const given = { masterKey: MASTER_KEY, ...options } as OpenOptions;
  const refused = (await KingCong.open(`sqlite://${never}/never.db`, given).catch((error: unknown) => error)) as Error;
  expect(refused.message).toContain(words);
  if (error === 'TypeError') expect(refused).toBeInstanceOf(TypeError);
  else expect(refused).toMatchObject({ code: error });
  expect(readdirSync(never)).toEqual([]);
});

test('what is no URL is refused', async () => {
  await expect(KingCong.open(7 as unknown as string)).rejects.toThrow(new TypeError('url must be a string, not 7'));
  await expect(KingCong.open('memory:', 7 as unknown as OpenOptions)).rejects.toThrow(TypeError);
});

test("another window than the store's is refused", async () => {
  const url = database();
  await (await open(url, { windowMs: 7_000 })).close();
  await expect(open(url, { windowMs: 60_000 })).rejects.toMatchObject({
    code: 'invalid_request',
    message: expect.stringContaining("60s is not the store's, which is 7s") as string,
  });
  await (await open(url)).close();
});

test('another master key does not open the database', async () => {
  const url = database();
  await (await open(url)).close();
  const refused = KingCong.open(url, { masterKey: Buffer.alloc(32, 1) });
  await expect(refused).rejects.toMatchObject({ code: 'master_key_failed' });
  const forgotten = KingCong.open(url);
  await expect(forgotten).rejects.toThrow('KINGCONG_MASTER_KEY');
});

test('an error keeps its cause', async () => {
  const place = path.join(folder(), 'folder');
  mkdirSync(place);
  const refused = (await KingCong.open(`sqlite://${place}`, { masterKey: MASTER_KEY }).catch(
    (error: unknown) => error,
  )) as KingCongError;
  expect(refused).toBeInstanceOf(KingCongError);
  expect(refused.cause).toBeInstanceOf(Error);
});

test('a hostile name is a name and nothing else', async () => {
  const { kc } = await stage('sqlite');
  const user = `__proto__'; DROP TABLE wallets; <script>${'${x}'}`;
  await kc.wallets.adjust(user, 1, { ...WHY, reason: '"}]' });
  expect((await kc.wallets.get(user)).balance).toBe(1);
  expect((await kc.jobs({ user })).length).toBe(0);
  expect(existsSync(VOICE)).toBe(false);
});
