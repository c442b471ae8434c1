/**
 * Measures the package beside its peers, each pair in the same run: `node bench/measure.mjs [--only NAME] [--json]`.
 */

import { Buffer } from 'node:buffer';
import { randomUUID } from 'node:crypto';
import process from 'node:process';

import Bottleneck from 'bottleneck';
import { KingCong } from 'kingcong';
import pLimit from 'p-limit';

// Not public: what a call costs that does nothing is no business of hosts.
import nativeHalf from '../dist/native.js';
import thread from '../dist/thread.js';

const { native } = nativeHalf;
const { ask, mailbox } = thread;

/** Rounds of each measurement, of which the median counts. */
const ROUNDS = 9;
const VOICE = '21m00Tcm4TlvDq8ikWAM';
const REQUEST = { user: 'user-1', text: 'x', service: 'elevenlabs', voice: VOICE };
const LIMITS = { maxInFlight: 4_000, perMinute: 10_000_000 };

/** An empty WAV file. */
const AUDIO = Buffer.from(
  '524946462400000057415645666d74201000000001000100401f0000803e0000020010006461746100000000',
  'hex',
);
const atOnce = { protocol: 'ai33', call: async () => ({ audio: AUDIO, contentType: 'audio/wav' }) };

async function opened(credits) {
  const kc = await KingCong.open('memory:', { preset: 'kingcong', providers: [atOnce] });
  await kc.keys.add('ai33', 'elevenlabs', 'sk-a-secret-of-the-upstream', { limits: LIMITS });
  await kc.config.setWeights({ ai33: 1, ai84: 0 });
  await kc.wallets.adjust('user-1', credits, { reason: 'bench', idempotencyKey: 'bench' });
  return kc;
}

/** Nanoseconds for each of so many, when they are made one after the other. */
async function oneByOne(count, make) {
  const started = process.hrtime.bigint();
  for (let one = 0; one < count; one += 1) await make(one);
  return Number(process.hrtime.bigint() - started) / count;
}

/** Nanoseconds for each of so many, when all are asked for at once. */
async function together(count, make) {
  const started = process.hrtime.bigint();
  const asked = [];
  for (let one = 0; one < count; one += 1) asked.push(make(one));
  await Promise.all(asked);
  return Number(process.hrtime.bigint() - started) / count;
}

/** The medians of two measurements that take turns, after one round for warming up. */
async function beside(ours, theirs) {
  const [our, their] = [[], []];
  await ours();
  await theirs();
  for (let round = 0; round < ROUNDS; round += 1) {
    our.push(await ours());
    their.push(await theirs());
  }
  return [median(our), median(their)];
}

function median(values) {
  return values.sort((one, other) => one - other)[Math.floor(values.length / 2)];
}

/** A hundred limiters, and a scheduled job that does nothing. */
function limiters() {
  const group = new Bottleneck.Group({ maxConcurrent: 30 });
  return (one) => group.key(`key-${one % 100}`).schedule(async () => {});
}

async function decide() {
  const kc = await opened(1_000);
  const schedule = limiters();
  const [ours, theirs] = await beside(
    () => oneByOne(2_000, () => kc.estimate(REQUEST)),
    () => oneByOne(50, schedule),
  );
  const [many, queued] = await beside(
    () => together(500, () => kc.estimate(REQUEST)),
    () => together(500, schedule),
  );
  await kc.close();
  return [
    figure('node/decide', ours, 'ns', 'a job that does nothing in one of 100 limiters of bottleneck', theirs),
    figure('node/decide/together', many, 'ns', 'the same with 500 queued', queued),
  ];
}

async function border() {
  const kc = await opened(1_000);
  const opening = { url: 'memory:', preset: 'kingcong', master_key: 'random' };
  const { library } = await ask(() => native.open(mailbox, JSON.stringify(opening), 0, [], null));
  // The next event of a stream that there is not: the whole way there and back, and nothing done at its end.
  const nothing = { door: 'events.next', with: { stream: 0 } };
  const cross = async () => ask(() => library.knock(mailbox, JSON.stringify(nothing)));
  const [ours, floor] = await beside(
    () => together(1_000, cross),
    () => together(1_000, async () => {}),
  );
  const [estimates] = await beside(
    () => together(1_000, () => kc.estimate(REQUEST)),
    async () => 0,
  );
  await ask(() => library.close(mailbox));
  await kc.close();
  return [
    figure('node/border', ours, 'ns', 'an async function that does nothing', floor),
    figure('node/border/estimate', estimates, 'ns', 'an async function that does nothing', floor),
  ];
}

/** What one writes by hand: servers by weight, keys with p-limit and a window, results in a map; no money, no store. */
class Pool {
  #servers = [
    { weight: 70, sent: 0, keys: [this.#key()] },
    { weight: 30, sent: 0, keys: [this.#key()] },
  ];
  #results = new Map();

  #key() {
    return { limit: pLimit(LIMITS.maxInFlight), starts: [] };
  }

  async run(request) {
    const id = randomUUID();
    // The server that is furthest behind its part, and its key that has least to do.
    const server = this.#servers.reduce((one, other) =>
      other.sent / other.weight < one.sent / one.weight ? other : one,
    );
    server.sent += 1;
    const busy = ({ limit }) => limit.activeCount + limit.pendingCount;
    const key = server.keys.reduce((one, other) => (busy(other) < busy(one) ? other : one));
    const result = await key.limit(async () => {
      const now = Date.now();
      while (key.starts.length > 0 && key.starts[0] <= now - 60_000) key.starts.shift();
      if (key.starts.length >= LIMITS.perMinute) throw new Error('too many in a minute');
      key.starts.push(now);
      return atOnce.call(request);
    });
    this.#results.set(id, { state: 'completed', result });
    return id;
  }
}

async function task() {
  const lives = 4_000;
  const kc = await opened(100_000_000);
  const pool = new Pool();
  const [ours, theirs] = await beside(
    () => together(lives, () => kc.run(REQUEST)),
    () => together(lives, () => pool.run(REQUEST)),
  );
  await kc.close();
  return [figure('node/task', 1e9 / ours, '1/s', 'a pool by hand on p-limit, without money or store', 1e9 / theirs)];
}

async function overspend() {
  // A tenth of a dollar a request, five dollars in the wallet.
  const kc = await opened(1);
  for (const server of ['ai33', 'ai84']) {
    const lines = [{ measure: 'request', price: '0.10' }];
    const price = { server, service: 'elevenlabs', operation: 'speech', unit: 'usd', lines };
    const old = (await kc.prices.list()).find((one) => one.server === server && one.service === 'elevenlabs');
    await kc.prices.remove(server, 'elevenlabs', 'speech', old?.model ? { model: old.model } : {});
    await kc.prices.set(price);
  }
  await kc.packages.set({ id: 'five', label: '5 USD', credits: '5.00', unit: 'usd', price: 5 });
  await kc.wallets.purchase('user-1', 'five', 'order-1');
  const asked = await Promise.allSettled(Array.from({ length: 1_000 }, () => kc.submit(REQUEST)));
  const admitted = asked.filter(({ status }) => status === 'fulfilled');
  await Promise.all(admitted.map(({ value }) => value.wait()));
  const { balance, totalSpent } = await kc.wallets.get('user-1', { unit: 'usd' });
  const spent = Number(totalSpent) - 5;
  await kc.close();
  if (!admitted.length || Number(balance) < 0) throw new Error(`${admitted.length} admitted, ${balance} left`);
  return [
    figure('node/overspend', Math.max(0, Math.round(spent * 1e9)), 'steps', 'none', 0),
    figure('node/overspend/accepted', admitted.length, 'requests', 'what five dollars pay', 50),
  ];
}

function figure(name, value, unit, against, againstValue) {
  return {
    name,
    value,
    unit,
    against,
    against_value: againstValue,
    ratio: againstValue === 0 ? null : value / againstValue,
  };
}

function line({ name, value, unit, against, against_value: againstValue, ratio }) {
  const number = (one) => one.toLocaleString('en', { maximumFractionDigits: one < 100 ? 5 : 0 });
  const times = ratio === null ? '-' : ratio.toFixed(3);
  return `${name.padEnd(28)} ${number(value).padStart(18)} ${unit.padEnd(10)} ${times.padStart(8)} x ${number(againstValue).padStart(18)}  ${against}`;
}

const ALL = { 'node/decide': decide, 'node/border': border, 'node/task': task, 'node/overspend': overspend };

const given = process.argv.slice(2);
const only = given.includes('--only') ? given[given.indexOf('--only') + 1] : undefined;
for (const [name, measure] of Object.entries(ALL)) {
  if (only !== undefined && !name.startsWith(only) && !only.startsWith(name)) continue;
  for (const figure of await measure()) console.log(given.includes('--json') ? JSON.stringify(figure) : line(figure));
}
