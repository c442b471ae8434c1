/** What was called and charged, by day and by route, in whole days in UTC. */

import type { Doors, UsageRecord } from 'kingcong';

import type { Days } from '@/lib/requests-admin';
import { percentOf } from '@/lib/shares';

import { routeNames, splitOf, type ServiceSplit } from './system';

/** Records that are read at once. */
const READ = 1_000;
/** Records that are counted at most: the last ones. */
const RECORDS_MAX = 10_000;
/** Jobs that are looked at at once. */
const JOBS = 50;
const DAY_MS = 24 * 60 * 60 * 1000;

/** Amounts are credits, as text: exact, whatever their size. */
export interface StatisticsView {
  readonly routes: readonly {
    readonly route: string;
    readonly calls: number;
    readonly failed: number;
    readonly failedPercent: number;
    readonly characters: number;
    readonly charged: string;
  }[];
  /** From the first day to the last; `charged` has as many amounts as there are routes, in their order. */
  readonly days: readonly { readonly day: string; readonly charged: readonly string[]; readonly total: string }[];
  readonly split: readonly ServiceSplit[];
  /** How many records were counted, when there may be more of them. */
  readonly cutAt: number | null;
}

export async function statisticsOf(kc: Doors, days: Days): Promise<StatisticsView> {
  const today = Math.floor(Date.now() / DAY_MS);
  const since = new Date((today - days + 1) * DAY_MS);
  const [system, shares, { records, isCut }] = await Promise.all([
    kc.config.get(),
    kc.reports.split(),
    recordsSince(kc, since),
  ]);
  const names = routeNames(system);
  const dates = Array.from({ length: days }, (_, place) => dayOf(new Date(since.getTime() + place * DAY_MS)));
  const { routes, ...counted } = countedBy(records, await charactersOf(kc, records), dates);
  return {
    ...counted,
    routes: routes.map(({ route, ...rest }) => ({ route: names.get(route) ?? route, ...rest })),
    split: splitOf(shares, system.services),
    cutAt: isCut ? records.length : null,
  };
}

/** The records since then, newest first, as many as are counted. */
async function recordsSince(kc: Doors, since: Date): Promise<{ records: UsageRecord[]; isCut: boolean }> {
  const records: UsageRecord[] = [];
  let before: string | undefined;
  while (records.length < RECORDS_MAX) {
    // What is under way has no record: a page with fewer than were asked for need not be the last.
    const read = await kc.reports.usage({ before, limit: READ });
    const wanted = read.filter(({ endedAt }) => endedAt >= since);
    if (wanted.length === 0) return { records, isCut: false };
    records.push(...wanted);
    before = read.at(-1)?.attempt;
  }
  return { records: records.slice(0, RECORDS_MAX), isCut: true };
}

/** How long the text of each task is; records have what the upstream counted, and few count. */
async function charactersOf(kc: Doors, records: readonly UsageRecord[]): Promise<Map<string, number>> {
  const jobs = [...new Set(records.filter(({ isDone }) => isDone).map(({ job }) => job))];
  const characters = new Map<string, number>();
  for (let from = 0; from < jobs.length; from += JOBS) {
    const reports = await Promise.all(jobs.slice(from, from + JOBS).map((id) => kc.job(id).status()));
    for (const task of reports.flatMap(({ tasks }) => tasks)) characters.set(task.id, task.characters);
  }
  return characters;
}

function dayOf(instant: Date): string {
  return instant.toISOString().slice(0, 10);
}

/** The records counted by route, with their tasks' characters, and what was charged on each of these days. */
export function countedBy(
  records: readonly UsageRecord[],
  characters: ReadonlyMap<string, number>,
  dates: readonly string[],
): Pick<StatisticsView, 'routes' | 'days'> {
  const names = [...new Set(records.map(({ route }) => route))].sort();
  const routes = names.map((route) => {
    const its = records.filter((record) => record.route === route);
    const done = its.filter(({ isDone }) => isDone);
    const failed = its.length - done.length;
    return {
      route,
      calls: its.length,
      failed,
      failedPercent: percentOf(failed, its.length),
      characters: done.reduce((sum, { task }) => sum + (characters.get(task) ?? 0), 0),
      charged: String(chargedBy(its)),
    };
  });
  const byDay = new Map<string, UsageRecord[]>(dates.map((day) => [day, []]));
  for (const record of records) byDay.get(dayOf(record.endedAt))?.push(record);
  const days = [...byDay].map(([day, its]) => {
    const charged = names.map((route) => String(chargedBy(its.filter((record) => record.route === route))));
    return { day, charged, total: String(chargedBy(its)) };
  });
  return { routes, days };
}

/** What was charged in credits, which have no digits after the point; this app sells in no other unit. */
function chargedBy(records: readonly UsageRecord[]): bigint {
  return records.reduce((sum, { charged, unit }) => (unit === 'credit' ? sum + BigInt(charged) : sum), 0n);
}
