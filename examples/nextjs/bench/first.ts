/**
 * What a first visit to the app's first tab costs: JavaScript that is sent, and when something is there, on a middling
 * phone as Lighthouse plays one. Beside it, in the same run, a page that has nothing but the app's frame:
 * `cargo xtask bench --only page`.
 */

import type { Browser, CDPSession, Page } from '@playwright/test';

import { expect, test, PASSWORD, type Stage } from '../tests/stage';

/** As Lighthouse plays a phone: its network, and how much slower it is. */
const NETWORK = { offline: false, latency: 150, downloadThroughput: 1_638_400 / 8, uploadThroughput: 768_000 / 8 };
const SLOWER = 4;
/** Visits, of which the median counts. */
const VISITS = 5;

const FIRST = '/tools/credits';
const FRAME_ALONE = '/no-such-page';

/** Milliseconds, and bytes as they are sent. */
interface Figures {
  readonly script_bytes: number;
  readonly first_paint_ms: number;
  readonly largest_paint_ms: number;
  readonly blocked_ms: number;
  readonly shift_thousandths: number;
}

/** Bytes of the scripts that come over the network. */
function countScripts(session: CDPSession): () => number {
  const scripts = new Set<string>();
  let bytes = 0;
  session.on('Network.responseReceived', ({ requestId, type }) => void (type === 'Script' && scripts.add(requestId)));
  session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    if (scripts.has(requestId)) bytes += encodedDataLength;
  });
  return () => bytes;
}

/** What the page observes of itself, from its first moment on. */
function observe(): void {
  const seen = { largest: 0, blocked: 0, shift: 0 };
  Object.assign(window, { seen });
  const watch = (type: string, note: (entry: PerformanceEntry & { value?: number }) => void) =>
    new PerformanceObserver((list) => list.getEntries().forEach(note)).observe({ type, buffered: true });
  watch('largest-contentful-paint', ({ startTime }) => (seen.largest = startTime));
  watch('longtask', ({ duration }) => (seen.blocked += duration - 50));
  watch('layout-shift', ({ value = 0 }) => (seen.shift += value));
}

async function visit(browser: Browser, stage: Stage, path: string): Promise<Figures> {
  const context = await browser.newContext({ baseURL: stage.url, viewport: { width: 412, height: 823 } });
  try {
    const page = await context.newPage();
    const data = { name: 'lan', password: PASSWORD };
    await page.request.post('/api/session', { headers: { Origin: stage.url }, data });
    await page.addInitScript(observe);
    const session = await context.newCDPSession(page);
    await session.send('Network.enable');
    await session.send('Network.emulateNetworkConditions', NETWORK);
    await session.send('Emulation.setCPUThrottlingRate', { rate: SLOWER });
    const scriptBytes = countScripts(session);
    await page.goto(path);
    await page.waitForLoadState('networkidle');
    return { script_bytes: scriptBytes(), ...(await timings(page)) };
  } finally {
    await context.close();
  }
}

async function timings(page: Page): Promise<Omit<Figures, 'script_bytes'>> {
  return page.evaluate(() => {
    const { seen } = window as unknown as { seen: { largest: number; blocked: number; shift: number } };
    const [paint] = performance.getEntriesByName('first-contentful-paint');
    return {
      first_paint_ms: Math.round(paint?.startTime ?? 0),
      largest_paint_ms: Math.round(seen.largest),
      blocked_ms: Math.round(seen.blocked),
      shift_thousandths: Math.round(seen.shift * 1000),
    };
  });
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

test('page/first', async ({ browser, stage }) => {
  const visits: { ours: Figures; alone: Figures }[] = [];
  // The first visit of each warms the server.
  for (let round = 0; round <= VISITS; round += 1) {
    const ours = await visit(browser, stage, FIRST);
    const alone = await visit(browser, stage, FRAME_ALONE);
    if (round > 0) visits.push({ ours, alone });
  }
  for (const name of Object.keys(visits[0]?.ours ?? {}) as (keyof Figures)[]) {
    const ours = median(visits.map((visit) => visit.ours[name]));
    const alone = median(visits.map((visit) => visit.alone[name]));
    const ratio = alone === 0 ? '-' : (ours / alone).toFixed(2);
    const figures = [`page/first/${name}`.padEnd(36), String(ours).padStart(10), ratio.padStart(8), 'x'];
    console.log(...figures, String(alone).padStart(10), ' a page with the frame alone');
    expect(Number.isFinite(ours)).toBe(true);
  }
});
