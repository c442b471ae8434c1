/**
 * Every door, in memory and on SQLite.
 */

import { statSync } from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import type { JobEvent, JobResult, Limits, NewPackage } from 'kingcong';
import { describe, expect, test } from 'vitest';

import { LIMITS, SECRET, STORES, folder, prepare, speech, stage, tomorrow } from './upstream';

async function all(events: AsyncIterable<JobEvent>): Promise<JobEvent[]> {
  const seen = [];
  for await (const event of events) seen.push(event);
  return seen;
}

async function chunksOf(chunks: AsyncIterable<Buffer>): Promise<Buffer[]> {
  const read = [];
  for await (const chunk of chunks) read.push(chunk);
  return read;
}

function audioOf(result: JobResult | null): Buffer {
  if (result?.kind !== 'speech') throw new Error(`no speech: ${JSON.stringify(result)}`);
  return result.audio;
}

describe.each(STORES)('on %s', (store) => {
  test("a tenant's jobs and wallets are its own", async () => {
    const { kc } = await stage(store);
    await prepare(kc, 100);
    const acme = kc.of('acme');
    await acme.wallets.adjust('user-1', 100, { reason: 'gift', idempotencyKey: 'g-1' });
    const job = await acme.submit(speech('Xin chào!'));
    const done = await job.wait();
    expect(done).toMatchObject({ job: { tenant: 'acme', state: 'completed' }, balance: 91 });
    const audio = await job.audio();
    expect(await audio.read()).toHaveLength(audio.length);

    const stranger = kc.job(job.id);
    for (const asked of [
      () => stranger.status(),
      () => stranger.wait(),
      () => stranger.cancel(),
      () => stranger.retry({ idempotencyKey: 'again' }),
      () => stranger.result(),
      () => stranger.audio(),
      () => stranger.subtitles(),
      () => stranger.taskOutput(0),
      () => stranger.events().next(),
      () => kc.wallets.refund('user-1', done.tasks[0]!.id, { reason: 'sorry', idempotencyKey: 'r-1' }),
    ]) {
      await expect(asked()).rejects.toMatchObject({ code: 'not_found' });
    }
    expect(await kc.jobs()).toEqual([]);
    expect((await acme.jobs()).map((found) => found.id)).toEqual([job.id]);
    expect((await kc.ofAll().jobs()).map((found) => found.id)).toEqual([job.id]);
    expect(await kc.reports.usage({ job: job.id })).toEqual([]);
    expect(await acme.reports.usage()).toMatchObject([{ job: job.id, tenant: 'acme', charged: 9 }]);
    expect(await kc.ofAll().reports.usage()).toHaveLength(1);
    expect(await kc.wallets.get('user-1')).toMatchObject({ balance: 100 });
  });

  test('a suspended tenant orders nothing new', async () => {
    const { kc } = await stage(store);
    await prepare(kc, 100);
    const acme = kc.of('acme');
    await acme.wallets.purchase('user-1', 'package-1', 'order-1');
    expect(await kc.tenants.get('acme')).toBeNull();
    const said = await kc.acting({ actor: 'admin-7', role: 'operator' }).tenants.set('acme', 'Acme Ltd.', 'suspended');
    expect(said).toMatchObject({ id: 'acme', name: 'Acme Ltd.', state: 'suspended', version: 1 });
    expect(await kc.tenants.get('acme')).toEqual(said);
    const refused = { code: 'tenant_suspended', fields: { tenant: 'acme' } };
    await expect(acme.submit(speech('Xin chào!'))).rejects.toMatchObject(refused);
    await expect(acme.wallets.purchase('user-1', 'package-1', 'order-2')).rejects.toMatchObject(refused);
    expect((await kc.run(speech('Xin chào!'))).job.state).toBe('completed');
    await kc.tenants.set('acme', 'Acme Ltd.', 'active');
    expect((await acme.run(speech('Xin chào!'))).job.state).toBe('completed');
    expect((await kc.tenants.list()).map(({ id }) => id)).toEqual(['acme']);
    expect(await kc.tenants.list({ after: 'acme' })).toEqual([]);
    const erased = 'erased' as 'active';
    await expect(kc.tenants.set('acme', 'Acme Ltd.', erased)).rejects.toMatchObject({ code: 'invalid_request' });
  });

  test('a cloned voice speaks for its own tenant only', async () => {
    const { kc } = await stage(store);
    await prepare(kc, 20_000);
    await kc.keys.add('ai33', 'minimax', 'sk-canary-that-clones', { limits: LIMITS });
    const acme = kc.of('acme');
    await acme.wallets.adjust('user-1', 20_000, { reason: 'gift', idempotencyKey: 'g-1' });
    const sample = new Uint8Array(Buffer.from('ID3-a-recording'));
    await acme.run({ user: 'user-1', name: 'An', sample, contentType: 'audio/mpeg', service: 'minimax' });
    const [voice] = await acme.voices.cloned('user-1');
    expect(await kc.voices.cloned('user-1')).toEqual([]);
    const { voice: _voice, ...rest } = speech('Chào!');
    const request = { ...rest, service: 'minimax', clonedVoice: voice?.id };
    await expect(kc.submit(request)).rejects.toMatchObject({ code: 'voice_unavailable' });
    expect((await acme.run(request)).job.state).toBe('completed');
  });

  test("a tenant's own wallet is filled and listed", async () => {
    const { kc } = await stage(store);
    await prepare(kc, 100);
    const acme = kc.of('acme');
    await acme.wallets.purchase(null, 'package-1', 'order-17');
    const why = { reason: 'fee', idempotencyKey: 'fee-1', unit: 'usd' } as const;
    expect(await acme.wallets.adjust(null, '-0.07', why)).toMatchObject({ becameDebt: '0.07' });
    expect(await acme.wallets.history(null, { unit: 'usd' })).toMatchObject([{ kind: 'adjustment' }]);
    const [first] = await acme.wallets.list({ limit: 1 });
    const [second] = await acme.wallets.list({ after: first?.id });
    expect([first?.unit, second?.unit].sort()).toEqual(['credit', 'usd']);
    expect(await acme.wallets.list({ inDebt: true })).toMatchObject([{ tenant: 'acme', user: null, debt: '0.07' }]);
  });

  test('doors of no tenant write nothing', async () => {
    const { kc } = await stage(store);
    await prepare(kc, 100);
    const refused = { code: 'invalid_request' };
    await expect(kc.of('').wallets.purchase('user-1', 'package-1', 'order-1')).rejects.toMatchObject(refused);
    await expect(kc.ofAll().submit(speech('Xin chào!'))).rejects.toMatchObject(refused);
    expect(() => kc.of(7 as unknown as string)).toThrow(TypeError);
    expect(await kc.ofAll().jobs()).toEqual([]);
  });

  test('a request is estimated, held, spoken, charged and read', async () => {
    const { kc } = await stage(store);
    await prepare(kc, 100);
    const request = speech('Câu một. Câu hai. Câu ba.', { pieces: 3 });
    expect(await kc.estimate(request)).toEqual({
      tasks: 3,
      characters: 25,
      held: 25,
      available: 100,
      unit: 'credit',
      isSufficient: true,
    });

    const job = await kc.submit(request);
    const done = await job.wait();

    expect(done.job).toMatchObject({ id: job.id, state: 'completed', isFinal: true, charged: 25, unit: 'credit' });
    expect(done).toMatchObject({ balance: 75, available: 75, released: 0 });
    expect(done.tasks.map((task) => task.place)).toEqual([0, 1, 2]);
    expect(done.tasks.reduce((sum, task) => sum + Number(task.charged), 0)).toBe(25);
    expect(done.job.finishedAt?.getTime()).toBeGreaterThanOrEqual(done.job.createdAt.getTime());
    const result = await job.result();
    expect(result).toMatchObject({ kind: 'speech', contentType: 'audio/wav', durationMs: 30, srt: null });
    expect(audioOf(result).subarray(0, 4).toString()).toBe('RIFF');
    expect(audioOf(await job.taskOutput(0)).length).toBeGreaterThan(44);
    expect(await job.status()).toEqual(done);
    expect((await kc.verify()).isSound).toBe(true);
  });

  test('what failed of a job is tried again and nothing is bought twice', async () => {
    const { kc, upstream } = await stage(store);
    await prepare(kc, 100);
    upstream.refused = 'hai';
    const job = await kc.submit(speech('Câu một. Câu hai. Câu ba.', { pieces: 3 }));
    const failed = await job.wait();
    expect(failed.job).toMatchObject({ state: 'completed_with_failures', failedTasks: 1 });

    upstream.refused = undefined;
    const asked = { idempotencyKey: 'second try', deadlineMs: 3_600_000 };
    const again = await kc.acting({ actor: 'support', role: 'operator' }).job(job.id).retry(asked);
    expect(again.job).toMatchObject({ retries: 1, held: 25, failedTasks: 0 });
    const done = await job.wait();
    expect(done.job).toMatchObject({ state: 'completed', charged: 25 });
    expect(done.available).toBe(75);
    expect(done.tasks.map((task) => task.attempts)).toEqual([1, 2, 1]);
    expect(upstream.calls).toHaveLength(4);
    expect(await job.result()).toMatchObject({ kind: 'speech', durationMs: 30 });

    // The same key is the same retry, and nothing else.
    expect(await job.retry(asked)).toEqual(done);
    const conflict = { code: 'idempotency_conflict' };
    await expect(job.retry({ idempotencyKey: 'second try' })).rejects.toMatchObject(conflict);
    const submit = kc.submit(speech('Another.', { idempotencyKey: 'second try' }));
    await expect(submit).rejects.toMatchObject(conflict);
    const refused = { code: 'retry_refused', fields: { job: job.id, state: 'completed' } };
    await expect(job.retry({ idempotencyKey: 'third try' })).rejects.toMatchObject(refused);
    const audited = (await kc.reports.audit()).filter((row) => row.door === 'job.retry');
    expect(audited.map((row) => row.actor)).toEqual(['support']);
    expect((await kc.verify()).isSound).toBe(true);
  });

  test("a job's audio is read in ranges, chunks and streams", async () => {
    const { kc, upstream } = await stage(store);
    upstream.milliseconds = 20_000;
    await prepare(kc, 100);
    const job = await kc.submit(speech('Câu một. Câu hai. Câu ba.', { pieces: 3 }));
    await job.wait();
    const whole = audioOf(await job.result());
    const audio = await job.audio();
    expect(audio).toMatchObject({ job: job.id, length: whole.length, contentType: 'audio/wav', durationMs: 60_000 });
    expect(audio.length).toBe(44 + 3 * 320_000);
    expect(whole.equals(await audio.read())).toBe(true);
    for (const [start, end] of [
      [0, 1],
      [0, 44],
      [43, 45],
      [320_043, 320_046],
      [audio.length - 1, audio.length],
    ] as const) {
      expect(await audio.read(start, end)).toEqual(whole.subarray(start, end));
      expect(await chunksOf(audio.chunks(start, end))).toEqual([whole.subarray(start, end)]);
      const sent = await new Response(audio.stream(start, end)).arrayBuffer();
      expect(Buffer.from(sent)).toEqual(whole.subarray(start, end));
    }
    const chunks = await chunksOf(audio);
    expect(chunks.map((chunk) => chunk.length)).toEqual([262_144, 262_144, 262_144, audio.length - 3 * 262_144]);
    expect(whole.equals(Buffer.concat(chunks))).toBe(true);
    expect(whole.equals(await buffer(Readable.from(audio)))).toBe(true);
    // Whoever stops reading leaves nothing behind, and another begins where it likes.
    for await (const chunk of audio.chunks(1)) {
      expect(chunk.equals(whole.subarray(1, 1 + 262_144))).toBe(true);
      break;
    }
    const reader = audio.stream().getReader();
    expect((await reader.read()).value?.length).toBe(262_144);
    await reader.cancel();
    expect(await reader.read()).toEqual({ done: true, value: undefined });
    expect(await job.subtitles()).toBeNull();

    for (const [start, end] of [
      [5, 5],
      [7, 3],
      [audio.length, audio.length],
      [0, audio.length + 1],
    ] as const) {
      const refused = { code: 'range_refused', fields: { start, end } };
      await expect(audio.read(start, end)).rejects.toMatchObject(refused);
      await expect(audio.chunks(start, end).next()).rejects.toMatchObject(refused);
      await expect(audio.stream(start, end).getReader().read()).rejects.toMatchObject(refused);
    }
    await expect(audio.read(-2)).rejects.toThrow('start must not be negative, and is -2');
    await expect(audio.read(0.5)).rejects.toThrow('start must be a whole number');
    await expect(audio.read(0, 10, { signal: AbortSignal.abort(new Error('gone')) })).rejects.toThrow('gone');
  });

  test('a job without audio says why', async () => {
    const { kc } = await stage(store);
    await prepare(kc);
    const later = await kc.submit(speech('Later.', { startAt: tomorrow() }));
    for (const ask of [() => later.audio(), () => later.subtitles(), () => later.result()]) {
      await expect(ask()).rejects.toMatchObject({ code: 'output_unavailable', fields: { job: later.id } });
    }
  });

  test('run submits and waits', async () => {
    const { kc, upstream } = await stage(store);
    await prepare(kc);
    const done = await kc.run(speech());
    expect(done.job.state).toBe('completed');
    expect(upstream.calls).toHaveLength(1);
    expect(upstream.calls[0]).toMatchObject({ server: 'ai33', service: 'elevenlabs', secret: SECRET });
    expect(JSON.stringify(upstream.calls)).not.toContain(SECRET);
  });

  test('events of a job come in order and end', async () => {
    const { kc } = await stage(store);
    await prepare(kc);
    const job = await kc.submit(speech('Later.', { startAt: tomorrow() }));
    const events = job.events();
    const first = events.next();
    await job.cancel();
    const seen = [(await first).value, ...(await all(events))];
    expect(seen.at(-1)).toEqual({ kind: 'ended', state: 'cancelled', charged: 0 });
    expect(await events.next()).toEqual({ done: true, value: undefined });
  });

  test('the events of work name route and price', async () => {
    const { kc } = await stage(store);
    await prepare(kc);
    const job = await kc.submit(speech());
    const seen = await all(job.events());
    // Whoever looks late sees only the end.
    expect(seen.at(-1)).toEqual({ kind: 'ended', state: 'completed', charged: 9 });
    for (const event of seen) {
      if (event.kind === 'task_started') expect(event).toMatchObject({ route: 'ai33_elevenlabs', key: 'sk-c…ests' });
      if (event.kind === 'task_done') expect(event.charged).toBe(9);
    }
  });

  test('a voice is cloned and speaks', async () => {
    const { kc, upstream } = await stage(store);
    await prepare(kc, 20_000);
    await kc.keys.add('ai33', 'minimax', 'sk-canary-that-clones', { limits: LIMITS });
    const job = await kc.submit({
      user: 'user-1',
      name: 'An',
      sample: new Uint8Array(Buffer.from('ID3-a-recording')),
      contentType: 'audio/mpeg',
      service: 'minimax',
      previewText: 'Chào',
    });
    expect((await job.wait()).job.charged).toBe(10_000);
    const result = await job.result();
    const [call] = upstream.calls;
    expect(call?.work).toEqual({
      kind: 'clone_voice',
      name: 'An',
      contentType: 'audio/mpeg',
      previewText: 'Chào',
      sample: Buffer.from('ID3-a-recording'),
    });
    const [voice] = await kc.voices.cloned('user-1');
    expect(result).toEqual({ kind: 'voice', voice: voice?.id });
    expect(voice).toMatchObject({ name: 'An', server: 'ai33' });

    const { voice: _voice, ...rest } = speech('Chào!');
    expect((await kc.run({ ...rest, service: 'minimax', clonedVoice: voice?.id })).job.state).toBe('completed');
    expect(upstream.calls.at(-1)?.work).toMatchObject({ voice: 'voice-of-An' });
  });

  test('money moves once for each key', async () => {
    const { kc } = await stage(store);
    const wallets = kc.acting({ actor: 'admin-7', role: 'operator' }).wallets;
    for (const _ of [1, 2]) {
      const bought = await wallets.purchase('user-1', 'package-1', 'order-991');
      expect(bought).toEqual({ amount: 1_000_000, becameDebt: 0, paidDebt: 0, balanceAfter: 1_000_000 });
    }
    const another = wallets.purchase('user-2', 'package-1', 'order-991');
    await expect(another).rejects.toMatchObject({ code: 'idempotency_conflict' });
    const changed = wallets.purchase('user-1', 'package-1', 'order-992', { ordered: { credits: 10, price: 5 } });
    await expect(changed).rejects.toMatchObject({
      code: 'amount_refused',
      fields: { orderedCredits: 10, credits: 1_000_000 },
    });
    for (const amount of [-400, '-400']) {
      const change = await wallets.adjust('user-1', amount, { reason: 'sorry', idempotencyKey: 'g-1' });
      expect(change.balanceAfter).toBe(999_600);
    }
    const entries = await wallets.history('user-1');
    expect(entries.map((entry) => entry.kind)).toEqual(['adjustment', 'purchase']);
    const [second] = await wallets.history('user-1', { before: 2, limit: 1 });
    expect(second).toMatchObject({ number: 1, reference: 'order-991', amount: 1_000_000 });
    expect(second?.at).toBeInstanceOf(Date);
    const audited = await kc.reports.audit({ limit: 2 });
    expect(audited.map(({ actor, door }) => [actor, door])).toEqual([
      ['admin-7', 'wallets.adjust'],
      ['admin-7', 'wallets.purchase'],
    ]);
  });

  test('the audit is paged by its entries', async () => {
    const { kc } = await stage(store);
    for (const weight of [1, 2, 3, 4, 5]) await kc.config.setWeights({ ai33: weight, ai84: 1 });
    const { reports } = kc.ofAll();
    const whole = await reports.audit();
    const paged = [];
    for (let before: string | undefined; ;) {
      const [entry] = await reports.audit({ before, limit: 1 });
      if (entry === undefined) break;
      paged.push(entry);
      before = entry.id;
    }
    expect(paged).toEqual(whole);
    expect(paged.length).toBeGreaterThanOrEqual(5);
  });

  test('a correction answers what moved and what became debt', async () => {
    const { kc } = await stage(store);
    await kc.wallets.adjust('user-1', 50, { reason: 'gift', idempotencyKey: 'g-1' });
    const fee = await kc.wallets.adjust('user-1', -80, { reason: 'fee', idempotencyKey: 'f-1' });
    expect(fee).toEqual({ amount: -50, becameDebt: 30, paidDebt: 0, balanceAfter: 0 });
    const more = await kc.wallets.adjust('user-1', 100, { reason: 'gift', idempotencyKey: 'g-2' });
    expect(more).toEqual({ amount: 100, becameDebt: 0, paidDebt: 30, balanceAfter: 70 });
  });

  test('a refund is never more than the charge', async () => {
    const { kc } = await stage(store);
    await prepare(kc);
    const done = await kc.run(speech());
    const task = done.tasks[0]?.id ?? '';
    const part = await kc.wallets.refund('user-1', task, { amount: 4, reason: 'noise', idempotencyKey: 'r-1' });
    expect(part.balanceAfter).toBe(995);
    const more = { amount: 6, reason: 'x', idempotencyKey: 'r-2' };
    await expect(kc.wallets.refund('user-1', task, more)).rejects.toMatchObject({ code: 'amount_refused' });
    const rest = await kc.wallets.refund('user-1', task, { reason: 'all', idempotencyKey: 'r-3' });
    expect(rest).toEqual({ amount: 5, becameDebt: 0, paidDebt: 0, balanceAfter: 1_000 });
  });

  test('a wallet in dollars has nine digits', async () => {
    const { kc } = await stage(store);
    const offer: NewPackage = { id: 'usd-5', label: '5 USD', credits: '5.000000001', price: 5, unit: 'usd' };
    await kc.packages.set(offer);
    const packages = await kc.packages.list();
    expect(packages).toContainEqual({ ...offer, price: '5', currency: 'usd', switch: 'on' });
    await kc.wallets.purchase('user-1', 'usd-5', 'order-1');
    expect(await kc.wallets.get('user-1', { unit: 'usd' })).toMatchObject({ balance: '5.000000001', unit: 'usd' });
    expect((await kc.wallets.get('user-1')).balance).toBe(0);
    expect(await kc.wallets.get(null)).toMatchObject({ user: null, balance: 0 });
    await kc.packages.remove('usd-5');
    await expect(kc.wallets.purchase('user-1', 'usd-5', 'order-2')).rejects.toMatchObject({ code: 'not_found' });
  });

  test('prices are set exactly and removed', async () => {
    const { kc } = await stage(store);
    await prepare(kc);
    const price = { service: 'elevenlabs', operation: 'speech' } as const;
    const lines = [{ measure: 'character', price: '0.3333' }] as const;
    for (const server of ['ai33', 'ai84']) await kc.prices.set({ ...price, server, lines, overrun: server === 'ai84' });
    expect((await kc.estimate(speech('x'.repeat(10)))).held).toBe(4);
    const kept = (await kc.prices.list()).filter(({ lines: [line] }) => line?.price === '0.3333');
    expect(kept.map(({ server, overrun, lines: [line] }) => [server, overrun, line?.per])).toEqual([
      ['ai33', false, 1],
      ['ai84', true, 1],
    ]);
    // A price in force can be set again as it is, once its version is the next.
    for (const one of kept) await kc.prices.set({ ...one, version: one.version + 1 });
    const [stale] = kept;
    if (stale === undefined) throw new Error('there were two');
    await expect(kc.prices.set(stale)).rejects.toMatchObject({ code: 'configuration_refused' });
    for (const server of ['ai33', 'ai84']) await kc.prices.remove(server, 'elevenlabs', 'speech');
    const refused = await kc.submit(speech()).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'price_not_found' });
    await kc.prices.set({ ...price, server: 'ai33', lines: [] });
    expect((await kc.run(speech())).job.charged).toBe(0);
  });

  test('prices have conditions and come into force later', async () => {
    const { kc } = await stage(store);
    await prepare(kc);
    const of = { server: 'ai33', service: 'elevenlabs', operation: 'speech' } as const;
    const when = {
      served: { tier: 'flex' },
      promptAbove: 1000,
      during: [{ days: ['friday'], start: 990, end: 30 }],
    } as const;
    const lines = [
      { measure: 'character', price: '1' },
      { measure: 'character', price: '0.5', when, free: 2, atLeast: 3 },
    ] as const;
    const soon = new Date(Date.now() + 3_600_000);
    await kc.prices.set({ ...of, lines }, { since: soon });
    const versions = async () =>
      (await kc.prices.list()).filter(
        ({ server, service, operation }) =>
          server === of.server && service === of.service && operation === of.operation,
      );
    const [now, later] = await versions();
    expect(later).toMatchObject({
      since: soon,
      version: (now?.version ?? 0) + 1,
      lines: [{ when: null, free: 0 }, lines[1]],
    });
    const past = kc.prices.set({ ...of, lines }, { since: new Date(0) });
    await expect(past).rejects.toMatchObject({ code: 'configuration_refused' });
    const both = [{ measure: 'character', price: '1', when: { promptAbove: 1, promptFrom: 2 } }] as const;
    await expect(kc.prices.set({ ...of, lines: both })).rejects.toMatchObject({ code: 'invalid_request' });
    await kc.prices.withdraw(of.server, of.service, of.operation, soon);
    expect(await versions()).toEqual([now]);
    await expect(kc.prices.withdraw(of.server, of.service, of.operation, soon)).rejects.toMatchObject({
      code: 'not_found',
    });
  });

  test('the configuration is changed, explained and audited', async () => {
    const { kc } = await stage(store);
    const config = kc.acting({ actor: 'admin-7', role: 'operator' }).config;
    await config.setRoute('ai84', 'minimax', 'off');
    await config.setWeights({ ai33: 20, ai84: 80 });
    await config.setMaintenance({ services: ['minimax'] });
    const standings = new Map((await config.explain()).services.map((standing) => [standing.service, standing]));
    expect(standings.get('elevenlabs')?.servers).toEqual([
      { server: 'ai33', weight: 20 },
      { server: 'ai84', weight: 80 },
    ]);
    expect(standings.get('minimax')?.refused).toMatchObject({ vi: 'Minimax đang bảo trì' });
    const { maintenance } = await config.get();
    expect(maintenance).toEqual({ isFull: false, services: ['minimax'] });
    await config.setMaintenance(maintenance);
    await config.setMaintenance({ isFull: true });
    expect((await config.get()).maintenance).toEqual({ isFull: true, services: [] });
    await config.setMaintenance({});

    const server = { protocol: 'ai33', baseUrl: 'https://third.example', weight: 10, limits: LIMITS };
    await config.addServer('third', server, { services: { elevenlabs: 'on' } });
    const egress = { maxInFlight: 5, perMinute: 60 };
    await config.updateServer('third', { egress });
    await config.updateServer('third', { baseUrl: 'https://moved.example', weight: 7 });
    const third = async () => (await config.get()).servers.find(({ id }) => id === 'third');
    const moved = { ...server, id: 'third', baseUrl: 'https://moved.example', weight: 7, egress, polls: 'free' };
    expect(await third()).toEqual(moved);
    await config.updateServer('third', { egress: 'lifted', polls: 'counted' });
    expect(await third()).toEqual({ ...moved, egress: null, polls: 'counted' });
    for (const baseUrl of ['http://third.example', 'http://10.0.0.1:8080', 'ftp://third.example']) {
      const refused = { code: 'invalid_request', message: expect.stringContaining('https://') as string };
      await expect(config.updateServer('third', { baseUrl })).rejects.toMatchObject(refused);
      const added = config.addServer('fourth', { ...server, baseUrl }, { services: { elevenlabs: 'on' } });
      await expect(added).rejects.toMatchObject(refused);
    }
    await config.removeServer('third');
    await config.addService('heygen', 'HeyGen');
    expect((await config.history({ limit: 1 }))[0]?.door).toBe('config.add_service');
    await expect(config.setWeights({ ai33: 0, ai84: 0 })).rejects.toMatchObject({ code: 'configuration_refused' });
  });

  test('the keys of a server that moved are registered again', async () => {
    const { kc } = await stage(store);
    const secret = 'sk-of-a-server-that-moves';
    const key = await kc.keys.add('ai33', 'elevenlabs', secret);
    await kc.config.updateServer('ai33', { baseUrl: 'https://moved.example' });
    const suspended = await kc.keys.get(key.id);
    expect(suspended).toMatchObject({ status: 'suspended', isUsable: false });
    expect(suspended.reason).toContain('https://api.ai33.pro');
    await expect(kc.keys.check(key.id)).rejects.toMatchObject({ code: 'key_refused' });
    expect(await kc.keys.add('ai33', 'elevenlabs', secret)).toMatchObject({ id: key.id, status: 'active' });
  });

  test('keys show their mask and never their secret', async () => {
    const { kc } = await stage(store);
    const keys = kc.acting({ actor: 'admin-7', role: 'operator' }).keys;
    const key = await keys.add('ai33', 'elevenlabs', SECRET, { label: 'first', account: 'a', accountLimits: LIMITS });
    expect(JSON.stringify(key)).not.toContain(SECRET);
    const refused = (await keys.add('ai33', 'elevenlabs', SECRET).catch((error: unknown) => error)) as Error;
    expect(refused).toMatchObject({ code: 'key_refused', fields: { key: key.id } });
    expect(refused.message).not.toContain(SECRET);
    expect((await keys.disable(key.id)).isUsable).toBe(false);
    expect((await keys.enable(key.id)).isUsable).toBe(true);
    const limits = { maxInFlight: 2, perMinute: 3 };
    expect(await keys.setLimits(key.id, limits)).toMatchObject({ id: key.id, limits });
    expect(await keys.list()).toMatchObject([{ id: key.id, limits }]);
    expect((await keys.check(key.id)).status).toBe('active');
    expect((await keys.get(key.id)).label).toBe('first');
    expect((await keys.remove(key.id)).status).toBe('removed');
    expect(await keys.list()).toEqual([]);
    await expect(keys.enable(key.id)).rejects.toMatchObject({ code: 'key_refused' });
  });

  test('an account keeps its limits until they are changed', async () => {
    const { kc } = await stage(store);
    const accounts = kc.acting({ actor: 'admin-7', role: 'operator' }).accounts;
    const add = (service: string, accountLimits?: Limits) =>
      kc.keys.add('ai33', service, `sk-of-${service}-1234`, { account: 'us', accountLimits });
    await expect(add('elevenlabs')).rejects.toMatchObject({ code: 'key_refused' });
    const key = await add('elevenlabs', { maxInFlight: 3, perMinute: 40 });
    await expect(add('minimax', { maxInFlight: 3, perMinute: 41 })).rejects.toMatchObject({
      code: 'key_refused',
      fields: { maxInFlight: 3, perMinute: 40 },
    });
    await add('minimax');
    const changed = await accounts.setLimits('ai33', 'us', { maxInFlight: 9 });
    expect(changed).toMatchObject({ limits: { maxInFlight: 9, perMinute: 40 }, inFlight: 0, usedInWindow: 0 });
    expect(changed.keys.map(({ service }) => service)).toEqual(['elevenlabs', 'minimax']);
    expect(await accounts.list()).toEqual([changed]);
    expect((await kc.keys.setLimits(key.id, { perMinute: 2 })).limits).toEqual({ ...key.limits, perMinute: 2 });
    await expect(accounts.setLimits('ai33', 'them', {})).rejects.toMatchObject({ code: 'not_found' });
  });

  test('reports tell what was bought and sold', async () => {
    const { kc } = await stage(store);
    await prepare(kc);
    const done = await kc.run(speech('abc', { model: 'eleven_v3' }));
    const [record] = await kc.reports.usage({ job: done.job.id });
    expect(record).toMatchObject({ charged: 3, cost: '3', unit: 'credit', isDone: true, route: 'ai33_elevenlabs' });
    expect(record?.tookMs).toBeGreaterThanOrEqual(0);
    expect(record).toMatchObject({ tenant: 'main', user: 'user-1', operation: 'speech', model: 'eleven_v3' });
    expect(record).toMatchObject({ cause: 'planned', lane: 'shared', keyTenant: null });
    const hourAgo = new Date(Date.now() - 3_600_000);
    expect(await kc.reports.usage({ since: hourAgo, until: tomorrow() })).toEqual([record]);
    expect(await kc.reports.usage({ since: tomorrow() })).toEqual([]);
    expect(await kc.reports.usage({ until: hourAgo })).toEqual([]);
    await expect(kc.reports.usage({ since: '2026-11-01' as unknown as Date })).rejects.toThrow(TypeError);
    expect(await kc.reports.split()).toEqual([{ server: 'ai33', service: 'elevenlabs', done: 1, failed: 0 }]);
    expect(await kc.reports.errors({ server: 'ai33', service: 'elevenlabs' })).toEqual([]);
    await expect(kc.reports.usage({ server: 'ai33' })).rejects.toMatchObject({ code: 'invalid_request' });
  });

  test('jobs are listed by user and state', async () => {
    const { kc } = await stage(store);
    await prepare(kc);
    const done = await kc.run(speech());
    const job = await kc.submit(speech('Later.', { startAt: tomorrow() }));
    expect((await kc.jobs({ user: 'user-1' })).map(({ id }) => id)).toEqual([job.id, done.job.id]);
    expect((await kc.jobs({ state: 'open' })).map(({ id }) => id)).toEqual([job.id]);
    expect(await kc.jobs({ user: 'somebody-else' })).toEqual([]);
    expect(await kc.jobs({ before: job.id, limit: 1 })).toEqual([done.job]);
    expect(kc.job(job.id).id).toBe(job.id);
  });

  test('the status bar and the monitor answer', async () => {
    const { kc } = await stage(store);
    await prepare(kc);
    await kc.monitor();
    await kc.pulse();
    const { routes, explanation } = await kc.status();
    expect(explanation.services.map(({ service }) => service)).toEqual(['elevenlabs', 'minimax']);
    const route = routes.find(({ server, service }) => server === 'ai33' && service === 'elevenlabs');
    expect(route).toMatchObject({ keys: 1, waiting: 0, passage: 'open', isServedHere: true });
    expect(await kc.voices.offered('ai33', 'elevenlabs')).toEqual({ voices: [], next: null });
  });

  test('only a database is backed up and archived', async () => {
    const { kc } = await stage(store);
    const copies = folder();
    const copy = path.join(copies, 'copy.db');
    if (store === 'memory') {
      await expect(kc.backup(copy)).rejects.toMatchObject({ code: 'invalid_request' });
      await expect(kc.archive(new Date(), copies)).rejects.toMatchObject({ code: 'invalid_request' });
      return;
    }
    await prepare(kc);
    await kc.backup(copy);
    expect(statSync(copy).size).toBeGreaterThan(0);
    expect(await kc.archive(new Date(Date.now() + 1_000), copies)).toMatchObject({ entries: 1 });
    expect((await kc.verify()).isSound).toBe(true);
  });

  test('the same idempotency key gives the same job', async () => {
    const { kc, upstream } = await stage(store);
    await prepare(kc);
    const first = await kc.submit(speech('Once.', { idempotencyKey: 'k-1' }));
    expect((await kc.submit(speech('Once.', { idempotencyKey: 'k-1' }))).id).toBe(first.id);
    const other = kc.submit(speech('Twice.', { idempotencyKey: 'k-1' }));
    await expect(other).rejects.toMatchObject({ code: 'idempotency_conflict' });
    await first.wait();
    expect(upstream.calls).toHaveLength(1);
  });

  test('many at once never overdraw one wallet', async () => {
    const { kc } = await stage(store);
    await prepare(kc, 50);
    const asked = await Promise.allSettled(Array.from({ length: 200 }, () => kc.submit(speech('x'))));
    const admitted = asked.filter(({ status }) => status === 'fulfilled');
    expect(admitted).toHaveLength(50);
    for (const one of asked) {
      if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'insufficient_credits' });
    }
  });
});
