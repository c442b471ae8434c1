/**
 * How whole processes behave: they end by themselves, finish what they owe, and survive their threads.
 */

import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';

import { expect, test } from 'vitest';

import { folder, wav } from './upstream';

const PACKAGE = process.env['KINGCONG_PACKAGE'] ?? path.join(__dirname, '..');
const CJS = JSON.stringify(path.join(PACKAGE, 'dist', 'index.js'));
const ESM = JSON.stringify(path.join(PACKAGE, 'esm', 'index.mjs'));

/** What every script begins with: a client, and a provider that takes so long. */
const HEAD = `
const { KingCong } = require(${CJS});
const wav = Buffer.from('${wav().toString('hex')}', 'hex');
const audio = { audio: wav, contentType: 'audio/wav' };
const provider = (call) => ({ protocol: 'ai33', call });
const masterKey = Buffer.alloc(32, 7);
async function staged(url, call) {
  const kc = await KingCong.open(url, { preset: 'kingcong', masterKey, providers: [provider(call)], log() {} });
  const limits = { maxInFlight: 1000, perMinute: 100000 };
  await kc.keys.add('ai33', 'elevenlabs', 'sk-canary-of-the-tests', { limits }).catch(() => {});
  await kc.config.setWeights({ ai33: 1, ai84: 0 });
  await kc.wallets.adjust('u', 1000, { reason: 'r', idempotencyKey: 'k' });
  return kc;
}
const request = { user: 'u', text: 'Xin chào!', service: 'elevenlabs', voice: 'v' };
`;

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a script; one that does not end by itself is killed and fails. */
async function run(script: string, ...args: string[]): Promise<Ended> {
  const file = path.join(folder(), 'script.cjs');
  writeFileSync(file, `${HEAD}\n${script}`);
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [file, ...args], { timeout: 150_000 });
    return { code: 0, out: stdout.trim(), err: stderr.trim() };
  } catch (error) {
    const { code, signal, stdout, stderr } = error as Ended & { signal: string; stdout: string; stderr: string };
    if (signal !== null) throw new Error(`killed by ${signal}: it did not end by itself, or crashed. ${stderr}`);
    return { code, out: stdout.trim(), err: stderr.trim() };
  }
}

const URLS = ['memory:', 'sqlite'] as const;

test.each(URLS)('an idle process ends by itself: %s', async (store) => {
  const url = store === 'memory:' ? store : `sqlite://${folder()}/kc.db`;
  const ended = await run(`staged(${JSON.stringify(url)}, async () => audio).then(() => console.log('open'));`);
  expect(ended).toEqual({ code: 0, out: 'open', err: '' });
});

test.each(URLS)('what is awaited keeps a process: %s', async (store) => {
  const url = store === 'memory:' ? store : `sqlite://${folder()}/kc.db`;
  const slow = `() => new Promise((resolve) => setTimeout(resolve, 30, audio).unref())`;
  const script = `staged(${JSON.stringify(url)}, ${slow}).then((kc) => kc.run(request))
    .then((done) => console.log(done.job.state));`;
  // Nothing else holds the process: not the provider's timer, and not the library.
  expect(await run(script)).toEqual({ code: 0, out: 'completed', err: '' });
});

test('a busy process finishes what it owes when it closes', async () => {
  const url = JSON.stringify(`sqlite://${folder()}/kc.db`);
  const script = `(async () => {
    let begin;
    const begun = new Promise((resolve) => (begin = resolve));
    const kc = await staged(${url}, () => new Promise((resolve) => { begin(); setTimeout(resolve, 30, audio); }));
    const job = await kc.submit(request);
    // The library's own work keeps no process.
    const alive = setInterval(() => {}, 1_000);
    await begun;
    clearInterval(alive);
    await kc.close();
    const again = await KingCong.open(${url}, { masterKey, mode: 'client' });
    console.log((await again.job(job.id).status()).job.state);
  })();`;
  expect(await run(script)).toEqual({ code: 0, out: 'completed', err: '' });
});

test('a process may end in the middle of everything', async () => {
  const script = `staged('memory:', () => { process.exitCode = 3; process.exit(); }).then((kc) => kc.run(request));`;
  expect(await run(script)).toMatchObject({ code: 3, err: '' });
});

test('work that a process leaves behind is finished by the next', async () => {
  const url = JSON.stringify(`sqlite://${folder()}/kc.db`);
  const first = await run(`(async () => {
    const kc = await staged(${url}, async () => audio);
    await kc.config.setMaintenance({ services: ['elevenlabs'] });
    await kc.config.setMaintenance({});
    const job = await kc.submit({ ...request, startAt: new Date(Date.now() + 50) });
    console.log(job.id);
  })();`);
  const second = await run(
    `staged(${url}, async () => audio).then((kc) => kc.job(process.argv[2]).wait())
      .then(({ job, balance }) => console.log(job.state, balance));`,
    first.out,
  );
  expect(second).toEqual({ code: 0, out: 'completed 991', err: '' });
});

test('an error that nobody catches ends the process as Node does, with its code', async () => {
  const ended = await run(`KingCong.open('memory:').then((kc) => kc.wallets.purchase('u', 'nothing', 'o'));`);
  expect(ended.code).toBe(1);
  expect(ended.err).toContain("code: 'not_found'");
});

test('worker threads have clients of their own', async () => {
  const script = `
    const { Worker, isMainThread, workerData } = require('node:worker_threads');
    if (isMainThread) {
      const workers = [1, 2, 3].map((one) => new Worker(__filename, { workerData: one }));
      Promise.all(workers.map((worker) => new Promise((resolve) => worker.on('exit', resolve))))
        .then((codes) => staged('memory:', async () => audio).then((kc) => kc.run(request))
          .then((done) => console.log(codes.join(), done.job.state)));
    } else {
      staged('memory:', async () => ({ ...audio, cost: workerData })).then(async (kc) => {
        await Promise.all(Array.from({ length: 20 }, () => kc.run(request)));
        const [usage] = await kc.reports.usage();
        if (usage.cost !== String(workerData)) throw new Error('answered by another thread: ' + usage.cost);
      });
    }`;
  expect(await run(script)).toEqual({ code: 0, out: '0,0,0 completed', err: '' });
});

test('a worker thread that is ended in the middle of a call takes nobody with it', async () => {
  const script = `
    const { Worker, isMainThread, parentPort } = require('node:worker_threads');
    if (isMainThread) {
      const worker = new Worker(__filename);
      worker.once('message', async () => {
        await worker.terminate();
        const kc = await staged('memory:', async () => audio);
        const done = await kc.run(request);
        await kc.close();
        console.log(done.job.state);
      });
    } else {
      staged('memory:', () => { parentPort.postMessage('called'); return new Promise(() => {}); })
        .then((kc) => kc.run(request));
    }`;
  expect(await run(script)).toEqual({ code: 0, out: 'completed', err: '' });
});

test('both kinds of module have the same classes', async () => {
  const script = `import(${ESM}).then(async (esm) => {
    const cjs = require(${CJS});
    const providers = { cjs: require(${CJS}.replace('index.js', 'providers.js')),
      esm: await import(${ESM}.replace('index.mjs', 'providers.mjs')) };
    for (const [one, other] of [[cjs, esm], [providers.cjs, providers.esm]]) {
      for (const name of new Set([...Object.keys(one), ...Object.keys(other)])) {
        if (one[name] !== other[name]) throw new Error(name + ' is another');
      }
    }
    console.log(Object.keys(esm).join());
  });`;
  expect(await run(script)).toEqual({ code: 0, out: 'KingCong,KingCongError', err: '' });
});

test('a shared client outlives a reload of the modules', async () => {
  const script = `(async () => {
    const before = await KingCong.shared('memory:', { preset: 'kingcong' });
    await before.wallets.purchase('u', 'package-1', 'o-1');
    for (const file of Object.keys(require.cache)) delete require.cache[file];
    const reloaded = require(${CJS});
    if (reloaded.KingCong === KingCong) throw new Error('it was not reloaded');
    const after = await reloaded.KingCong.shared('memory:', { preset: 'kingcong' });
    console.log(after === before, (await after.wallets.get('u')).balance);
  })();`;
  expect(await run(script)).toEqual({ code: 0, out: 'true 1000000', err: '' });
});
