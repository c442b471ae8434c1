/** What is counted and written for people: functions alone, without the app. */

import { expect, test } from '@playwright/test';
import type { UsageRecord } from 'kingcong';

import { amountText, dollarText } from '../lib/format';
import { keyText } from '../lib/format-admin';
import { percentOf, sharesOf } from '../lib/shares';
import { cuesOf } from '../lib/subtitles';
import { countedBy } from '../server/statistics';
import { routeNames, splitOf } from '../server/system';
import { auditView } from '../server/views-admin';

/** One more than the largest number that numbers tell from its neighbours. */
const LARGE = '9007199254740993';
const SERVICES = [
  { id: 'elevenlabs', name: 'ElevenLabs' },
  { id: 'minimax', name: 'Minimax' },
];
const NO_MAINTENANCE = { isFull: false, services: [] };

function record(route: string, task: string, charged: number | string, more: Partial<UsageRecord> = {}): UsageRecord {
  return {
    ...{
      attempt: `attempt-of-${task}`,
      job: 'job',
      tenant: 'main',
      user: 'an',
      operation: 'speech',
      model: null,
    },
    ...{ cause: 'planned', lane: 'shared', keyTenant: null, key: 'key', cost: null, counts: {} },
    ...{ served: null, check: 'within' },
    ...{ route, task, charged, overHold: 0, unit: 'credit', isDone: true, tookMs: 1, possibleDouble: false },
    endedAt: new Date('2026-11-22T12:00:00Z'),
    ...more,
  };
}

test('calls, failures, characters and charges are counted by route and by day', () => {
  const failed = { isDone: false, endedAt: new Date('2026-11-21T23:59:59.999Z') };
  const records = [
    record('ai84_minimax', 'a', 5),
    record('ai33_elevenlabs', 'b', 7, { endedAt: new Date('2026-11-22T00:00:00Z') }),
    record('ai33_elevenlabs', 'c', 0, failed),
    record('ai33_elevenlabs', 'd', '11', { endedAt: failed.endedAt }),
    // Of a day that nobody asked about.
    record('ai33_elevenlabs', 'e', 13, { endedAt: new Date('2026-11-01T00:00:00Z') }),
  ];
  const characters = new Map(Object.entries({ a: 5, b: 14, c: 100, d: 11, e: 13 }));
  expect(countedBy(records, characters, ['2026-11-21', '2026-11-22'])).toEqual({
    routes: [
      { route: 'ai33_elevenlabs', calls: 4, failed: 1, failedPercent: 25, characters: 38, charged: '31' },
      { route: 'ai84_minimax', calls: 1, failed: 0, failedPercent: 0, characters: 5, charged: '5' },
    ],
    days: [
      { day: '2026-11-21', charged: ['11', '0'], total: '11' },
      { day: '2026-11-22', charged: ['7', '5'], total: '12' },
    ],
  });
});

test('what is charged is counted exactly, and in credits only', () => {
  const records = [
    record('ai33_minimax', 'a', LARGE),
    record('ai33_minimax', 'b', LARGE),
    record('ai33_minimax', 'c', '0.10', { unit: 'usd' }),
  ];
  const { routes, days } = countedBy(records, new Map(), ['2026-11-22']);
  expect(routes).toMatchObject([{ calls: 3, characters: 0, charged: '18014398509481986' }]);
  expect(days).toEqual([{ day: '2026-11-22', charged: ['18014398509481986'], total: '18014398509481986' }]);
});

test('of nothing, nothing is counted', () => {
  expect(countedBy([], new Map(), [])).toEqual({ routes: [], days: [] });
  const days = [{ day: '2026-11-22', charged: [], total: '0' }];
  expect(countedBy([], new Map(), ['2026-11-22'])).toEqual({ routes: [], days });
  expect(splitOf([], SERVICES)).toEqual([]);
  expect(routeNames({ version: 1, servers: [], services: [], routes: [], maintenance: NO_MAINTENANCE })).toEqual(
    new Map(),
  );
});

test('a split is of the calls of each service, whether they were done or failed', () => {
  const shares = [
    { server: 'ai33', service: 'elevenlabs', done: 6, failed: 1 },
    { server: 'ai33', service: 'minimax', done: 1, failed: 0 },
    { server: 'ai84', service: 'elevenlabs', done: 3, failed: 0 },
    { server: 'ai84', service: 'minimax', done: 2, failed: 0 },
    // Of a service that is not sold any more.
    { server: 'ai84', service: 'whisper', done: 0, failed: 0 },
  ];
  expect(splitOf(shares, SERVICES)).toEqual([
    {
      service: 'elevenlabs',
      name: 'ElevenLabs',
      shares: [
        { server: 'ai33', done: 6, failed: 1, percent: 70 },
        { server: 'ai84', done: 3, failed: 0, percent: 30 },
      ],
    },
    {
      service: 'minimax',
      name: 'Minimax',
      shares: [
        { server: 'ai33', done: 1, failed: 0, percent: 33.3 },
        { server: 'ai84', done: 2, failed: 0, percent: 66.7 },
      ],
    },
    { service: 'whisper', name: 'Whisper', shares: [{ server: 'ai84', done: 0, failed: 0, percent: 0 }] },
  ]);
});

test('routes are called by their server and service', () => {
  const routes = [
    { server: 'ai33', service: 'elevenlabs', switch: 'on' as const },
    { server: 'upstream', service: 'whisper', switch: 'off' as const },
  ];
  const names = routeNames({ version: 1, servers: [], services: SERVICES, routes, maintenance: NO_MAINTENANCE });
  expect([...names]).toEqual([
    ['ai33_elevenlabs', 'AI33 ElevenLabs'],
    ['upstream_whisper', 'Upstream Whisper'],
  ]);
});

test('shares are percents to one digit, and there are none without a weight', () => {
  for (const [part, whole, percent] of [
    [0, 0, 0],
    [0, 7, 0],
    [1, 3, 33.3],
    [2, 3, 66.7],
    [7, 7, 100],
    [1, 1_000_000, 0],
  ] as const) {
    expect(percentOf(part, whole), `${part} of ${whole}`).toBe(percent);
  }
  for (const [weights, percents] of [
    [{}, []],
    [{ ai33: 0, ai84: 0 }, []],
    [{ ai33: NaN, ai84: 1 }, []],
    [{ ai33: 70, ai84: 30 }, [70, 30]],
    [{ ai33: 1_000_000, ai84: 0 }, [100, 0]],
    [{ ai33: 1, ai84: 1, ai99: 1 }, [33.3, 33.3, 33.3]],
  ] as [Record<string, number>, number[]][]) {
    expect(
      sharesOf(weights).map(({ percent }) => percent),
      JSON.stringify(weights),
    ).toEqual(percents);
  }
});

test('keys are told apart by their last characters', () => {
  const id = '01a20089-319f-7897-bd70-efe0a306c618';
  expect(keyText({ id, label: 'demo 1', mask: 'sk-a…ream' })).toBe('demo 1 #c618');
  expect(keyText({ id, label: '', mask: 'sk-a…ream' })).toBe('sk-a…ream #c618');
  expect(keyText({ id, label: '', mask: '' })).toBe('#c618');
});

test('an audit entry tells what was changed, or who was refused', () => {
  const [id, actor, door, at] = ['entry', 'admin', 'config.set_weights', new Date(0)];
  const entry = { id, tenant: null, actor, role: 'operator', door, target: 'configuration', at } as const;
  const detail = '{"system":{"set_weights":{"ai33":1}}}';
  expect(auditView({ ...entry, outcome: 'done', detail })).toEqual({ id, actor, door, at, detail });
  const refused = auditView({ ...entry, role: 'member', outcome: 'refused', target: null, detail: '{}' });
  expect(refused).toEqual({ id, actor, door, at, detail: 'refused: member' });
});

test('amounts are written exactly, as each language does', () => {
  for (const [amount, vi, en] of [
    [0, '0', '0'],
    [999, '999', '999'],
    [-1_234_567, '-1.234.567', '-1,234,567'],
    [LARGE, '9.007.199.254.740.993', '9,007,199,254,740,993'],
    [`-${LARGE}`, '-9.007.199.254.740.993', '-9,007,199,254,740,993'],
    ['1234.50', '1.234,50', '1,234.50'],
    ['-0.5', '-0,5', '-0.5'],
  ] as const) {
    expect(amountText(amount, 'vi')).toBe(vi);
    expect(amountText(amount, 'en')).toBe(en);
  }
  for (const [amount, vi, en] of [
    ['5.000000000', '$5', '$5'],
    [40, '$40', '$40'],
    ['0.100000000', '$0,10', '$0.10'],
    ['1234.567000000', '$1.234,567', '$1,234.567'],
    ['0', '$0', '$0'],
  ] as const) {
    expect(dollarText(amount, 'vi')).toBe(vi);
    expect(dollarText(amount, 'en')).toBe(en);
  }
});

test('subtitles are read cue by cue, and what is no cue is left out', () => {
  const cue = { start: 1_500, end: 3_661_250, text: 'Xin chào.' };
  for (const [name, srt, cues] of [
    ['nothing', '', []],
    ['white space', '\n\n\n', []],
    ['no subtitles', 'Not found', []],
    ['a cue', '1\n00:00:01,500 --> 01:01:01,250\nXin chào.\n', [cue]],
    ['no number, points, and nothing at the end', '00:00:01.500 --> 01:01:01.250\nXin chào.', [cue]],
    ['the line ends of Windows', '\uFEFF1\r\n00:00:01,500 --> 01:01:01,250\r\nXin chào.\r\n\r\n', [cue]],
    ['two lines', '1\n00:00:01,500 --> 01:01:01,250\nMột\nHai', [{ ...cue, text: 'Một\nHai' }]],
    ['no text', '1\n00:00:01,500 --> 01:01:01,250\n', [{ ...cue, text: '' }]],
    ['more than a hundred hours', '100:00:00,000 --> 100:00:00,001\na', [{ start: 3.6e8, end: 3.6e8 + 1, text: 'a' }]],
    [
      'a comment between two cues, far apart',
      '1\n00:00:01,500 --> 01:01:01,250\nXin chào.\n\n\n\nNOTE\n\n2\n01:01:01,250 --> 01:01:02,000\nHết.',
      [cue, { start: 3_661_250, end: 3_662_000, text: 'Hết.' }],
    ],
  ] as const) {
    expect(cuesOf(srt), name).toEqual(cues);
  }
});
