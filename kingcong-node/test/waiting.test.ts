/**
 * Waiting: it can be given up at any time, and what was asked goes its way; clients close, and are shared.
 */

import { KingCong } from 'kingcong';
import type { Provider, Reply } from 'kingcong/providers';
import { expect, test, vi } from 'vitest';

import { MASTER_KEY, Upstream, database, gate, open, prepare, speech, stage, tomorrow, wav } from './upstream';

const AUDIO: Reply = { audio: wav(), contentType: 'audio/wav' };

/** A client whose provider answers when it is let. */
async function held(url = 'memory:') {
  const begun = gate();
  const answer = gate<Reply>();
  const provider: Provider = {
    protocol: 'ai33',
    call() {
      begun.open();
      return answer.promise;
    },
  };
  const kc = await open(url, { providers: [provider] });
  await prepare(kc);
  return { kc, begun: begun.promise, answer: () => answer.open(AUDIO) };
}

test('what is aborted beforehand is not asked', async () => {
  const { kc } = await stage();
  const signal = AbortSignal.abort();
  await expect(kc.wallets.purchase('user-1', 'package-1', 'o', { signal })).rejects.toMatchObject({
    name: 'AbortError',
  });
  await expect(kc.submit(speech(), { signal })).rejects.toMatchObject({ name: 'AbortError' });
  await expect(kc.job('x').events({ signal }).next()).rejects.toMatchObject({ name: 'AbortError' });
  await expect(KingCong.open('memory:', { signal })).rejects.toMatchObject({ name: 'AbortError' });
  expect((await kc.wallets.get('user-1')).entries).toBe(0);
});

test('a long text is planned on another thread than the loop’s', async () => {
  const { kc } = await stage();
  await prepare(kc);
  const order: string[] = [];
  const told = kc.estimate(speech(`Hello.${')'.repeat(500_000)}`)).then(() => order.push('answer'));
  await new Promise((turn) => setImmediate(turn));
  order.push('a turn of the loop');
  await told;
  expect(order).toEqual(['a turn of the loop', 'answer']);
});

test('aborting ends the waiting, and never the job or its settlement', async () => {
  const { kc, begun, answer } = await held();
  const job = await kc.submit(speech());
  await begun;
  const controller = new AbortController();
  const reason = new Error('the user left');
  const waiting = [job.wait({ signal: controller.signal }), job.wait({ signal: controller.signal })];
  controller.abort(reason);
  for (const one of waiting) await expect(one).rejects.toBe(reason);
  answer();
  expect((await job.wait()).job).toMatchObject({ state: 'completed', charged: 9 });
  expect((await kc.verify()).isSound).toBe(true);
});

test('run can be given up, and its job is found again', async () => {
  const { kc, begun, answer } = await held();
  const controller = new AbortController();
  const running = kc.run(speech('Xin chào!', { idempotencyKey: 'k' }), { signal: controller.signal });
  await begun;
  controller.abort();
  await expect(running).rejects.toMatchObject({ name: 'AbortError' });
  answer();
  const done = await kc.run(speech('Xin chào!', { idempotencyKey: 'k' }));
  expect(done).toMatchObject({ job: { state: 'completed' }, balance: 991 });
});

test('requests that are given up are admitted wholly or not at all', async () => {
  const url = database();
  const kc = await open(url, { providers: [new Upstream()] });
  await prepare(kc);
  const controllers = Array.from({ length: 20 }, () => new AbortController());
  const asked = controllers.map(({ signal }) => kc.submit(speech('x', { startAt: tomorrow() }), { signal }));
  for (const controller of controllers) controller.abort();
  const settled = await Promise.allSettled(asked);
  expect(settled.every(({ status }) => status === 'rejected')).toBe(true);
  // Once it is closed nothing is under way any more.
  await kc.close();
  const again = await open(url, { mode: 'client' });
  expect((await again.wallets.get('user-1')).held).toBe((await again.jobs()).length);
  expect((await again.verify()).isSound).toBe(true);
});

test('a timeout is a signal', async () => {
  const { kc, answer } = await held();
  const job = await kc.submit(speech());
  await expect(job.wait({ signal: AbortSignal.timeout(1) })).rejects.toMatchObject({ name: 'TimeoutError' });
  answer();
  await job.wait({ signal: AbortSignal.timeout(60_000) });
});

test('a signal that outlives its calls keeps nothing of them', async () => {
  const { kc, answer } = await held();
  const job = await kc.submit(speech());
  const controller = new AbortController();
  const added = vi.spyOn(controller.signal, 'addEventListener');
  const removed = vi.spyOn(controller.signal, 'removeEventListener');
  const waiting = Array.from({ length: 5 }, () => job.wait({ signal: controller.signal }));
  answer();
  await Promise.all(waiting);
  expect(added).toHaveBeenCalledTimes(5);
  expect(removed).toHaveBeenCalledTimes(5);
  controller.abort();
});

test('whoever waits for an event may leave', async () => {
  const { kc } = await stage();
  await prepare(kc);
  const job = await kc.submit(speech('Later.', { startAt: tomorrow() }));
  const left = job.events();
  const next = left.next();
  await left.return();
  expect(await next).toEqual({ done: true, value: undefined });
  expect(await left.next()).toEqual({ done: true, value: undefined });

  const controller = new AbortController();
  const aborted = job.events({ signal: controller.signal });
  const waiting = aborted.next();
  controller.abort();
  await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
  expect(await aborted.next()).toEqual({ done: true, value: undefined });
  await aborted[Symbol.asyncDispose]();
  await job.cancel();
});

test('two readers of one iterator share its events in order', async () => {
  const { kc } = await stage();
  await prepare(kc);
  const job = await kc.submit(speech('Later.', { startAt: tomorrow() }));
  const events = job.events();
  const both = [events.next(), events.next()] as const;
  await job.cancel();
  expect((await both[0]).value).toMatchObject({ kind: 'ended', state: 'cancelled' });
  expect(await both[1]).toEqual({ done: true, value: undefined });
});

test('events of a job that nobody knows are refused, and leaving a loop is no failure', async () => {
  const { kc } = await stage();
  const events = kc.job('01932c07-6f2a-7c40-8a3e-6d1f5b0c9e21').events();
  await expect(events.next()).rejects.toMatchObject({ code: 'not_found' });
  expect(await events.next()).toEqual({ done: true, value: undefined });
  await prepare(kc);
  const job = await kc.submit(speech());
  for await (const event of job.events()) {
    expect(event.kind).not.toBe('missed');
    break;
  }
});

test('closing ends what waits, and may itself be given up', async () => {
  const { kc, begun, answer } = await held(database());
  const job = await kc.submit(speech());
  await begun;
  const waiting = job.wait().catch((error: unknown) => error);
  const controller = new AbortController();
  const closing = kc.close({ signal: controller.signal });
  controller.abort();
  await expect(closing).rejects.toMatchObject({ name: 'AbortError' });
  await expect(kc.status()).rejects.toMatchObject({ code: 'closed' });
  answer();
  await kc.close();
  const ended = await waiting;
  expect(ended).toMatchObject('code' in (ended as object) ? { code: 'closed' } : { job: { state: 'completed' } });
});

test('an opening that is given up is closed when it is there after all', async () => {
  const let_ = gate();
  const asked = gate();
  const masterKey = {
    id: 'kms-1',
    async wrap(data: Buffer) {
      asked.open();
      await let_.promise;
      return data;
    },
    unwrap: (data: Buffer) => data,
  };
  const controller = new AbortController();
  const opening = KingCong.open(database(), { preset: 'kingcong', masterKey, signal: controller.signal });
  await Promise.race([asked.promise, opening]);
  controller.abort();
  await expect(Promise.race([opening.then((kc) => kc.close()), opening])).rejects.toMatchObject({ name: 'AbortError' });
  let_.open();
});

test('disposing of a client closes it', async () => {
  const kc = await KingCong.open('memory:');
  await kc[Symbol.asyncDispose]();
  await expect(kc.verify()).rejects.toMatchObject({ code: 'closed' });
});

test('a shared client is opened once for each URL, and again when it was closed or failed', async () => {
  const url = database();
  const options = { preset: 'kingcong', masterKey: MASTER_KEY } as const;
  const both = [KingCong.shared(url, options), KingCong.shared(url, options)] as const;
  const [one, two] = await Promise.all(both);
  expect(one).toBe(two);
  const closing = one.close();
  const three = await KingCong.shared(url, options);
  await closing;
  expect(three).not.toBe(one);
  expect((await three.verify()).isSound).toBe(true);
  await three.close();

  const broken = `${database()}/no/such/folder.db`;
  await expect(KingCong.shared(broken, options)).rejects.toThrow();
  await expect(KingCong.shared(broken, options)).rejects.toThrow();
  await expect(KingCong.shared(7 as unknown as string)).rejects.toThrow(TypeError);
});
