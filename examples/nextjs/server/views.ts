/** What users see of the library's records: which key did the work, and what the upstream said, stays inside. */

import type { Amount, ClonedVoice, Entry, Job, JobReport, Status, TaskReport, Wallet } from 'kingcong';

import type { Language } from '@/lib/words';

/** How a server does with a service. */
export type Light = 'on' | 'off' | 'maintenance' | 'noKeys' | 'paused' | 'busy';

export interface StatusView {
  readonly wallet: { readonly available: Amount; readonly held: Amount; readonly debt: Amount };
  readonly services: readonly {
    readonly service: string;
    readonly name: string;
    /** Why it is not to be had; null when it is. */
    readonly refused: string | null;
  }[];
  readonly servers: readonly {
    readonly server: string;
    readonly services: readonly { readonly service: string; readonly name: string; readonly light: Light }[];
  }[];
}

function lightOf(route: Status['routes'][number], isMaintained: boolean): Light {
  if (isMaintained) return 'maintenance';
  if (route.switch === 'off') return 'off';
  if (route.keys === 0) return 'noKeys';
  if (route.passage !== 'open') return 'paused';
  return route.health === null || route.health === 'good' ? 'on' : 'busy';
}

export function statusView(
  status: Status,
  names: ReadonlyMap<string, string>,
  wallet: Wallet,
  language: Language,
): StatusView {
  const { maintenance, services } = status.explanation;
  const isMaintained = (service: string) => maintenance.isFull || maintenance.services.includes(service);
  const nameOf = (service: string) => names.get(service) ?? service;
  const servers = [...new Set(status.routes.map(({ server }) => server))];
  return {
    wallet: { available: wallet.available, held: wallet.held, debt: wallet.debt },
    services: services.map(({ service, refused }) => ({
      service,
      name: nameOf(service),
      refused: refused === null ? null : refused[language],
    })),
    servers: servers.map((server) => ({
      server,
      services: status.routes
        .filter((route) => route.server === server)
        .map((route) => ({
          service: route.service,
          name: nameOf(route.service),
          light: lightOf(route, isMaintained(route.service)),
        })),
    })),
  };
}

export interface JobView extends Pick<
  Job,
  | 'id'
  | 'operation'
  | 'service'
  | 'state'
  | 'isFinal'
  | 'held'
  | 'charged'
  | 'tasks'
  | 'openTasks'
  | 'failedTasks'
  | 'createdAt'
> {}

export function jobView(job: Job): JobView {
  const { id, operation, service, state, isFinal, held, charged, tasks, openTasks, failedTasks, createdAt } = job;
  return { id, operation, service, state, isFinal, held, charged, tasks, openTasks, failedTasks, createdAt };
}

export interface TaskView extends Pick<TaskReport, 'place' | 'state' | 'route'> {
  /** How far it is, from 0 to 100, when the upstream tells. */
  readonly percent: number | null;
  readonly error: string | null;
}

export interface JobDetail {
  readonly job: JobView;
  readonly tasks: readonly TaskView[];
  readonly available: Amount;
}

export function jobDetail(
  report: JobReport,
  language: Language,
  percents: ReadonlyMap<number, number> = new Map(),
): JobDetail {
  return {
    job: jobView(report.job),
    tasks: report.tasks.map(({ place, state, route, error }) => ({
      ...{ place, state, route },
      percent: state === 'processing' ? (percents.get(place) ?? null) : null,
      error: error === null ? null : error.user[language],
    })),
    available: report.available,
  };
}

export interface EntryView extends Pick<
  Entry,
  'number' | 'kind' | 'amount' | 'balanceAfter' | 'route' | 'reference' | 'at'
> {}

export function entryView({ number, kind, amount, balanceAfter, route, reference, at }: Entry): EntryView {
  return { number, kind, amount, balanceAfter, route, reference, at };
}

export interface VoiceView extends Pick<ClonedVoice, 'id' | 'name' | 'service' | 'createdAt'> {}
