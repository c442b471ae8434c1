/** The system as administrators see it: what is on, who serves what, and how the work was split. */

import type { Explanation, Doors, Limits, ServerInfo, SplitShare, System } from 'kingcong';

import { idText } from '@/lib/format';
import type { KeyLimits } from '@/lib/requests-admin';
import { percentOf } from '@/lib/shares';

import { notThere } from './refused';

export interface SystemView extends Pick<System, 'services' | 'routes' | 'maintenance'>, Pick<Explanation, 'state'> {
  readonly servers: readonly Pick<ServerInfo, 'id' | 'weight' | 'limits'>[];
  readonly split: readonly ServiceSplit[];
}

/** How a service's last calls were spread over servers. */
export interface ServiceSplit {
  readonly service: string;
  readonly name: string;
  readonly shares: readonly {
    readonly server: string;
    readonly done: number;
    readonly failed: number;
    /** Of the service's calls, to one digit after the point. */
    readonly percent: number;
  }[];
}

export async function systemOf(kc: Doors): Promise<SystemView> {
  const [system, { state }, shares] = await Promise.all([kc.config.get(), kc.config.explain(), kc.reports.split()]);
  const { servers, services, routes, maintenance } = system;
  return {
    ...{ services, routes, maintenance, state },
    servers: servers.map(({ id, weight, limits }) => ({ id, weight, limits })),
    split: splitOf(shares, services),
  };
}

/** The shares of each service that had calls. */
export function splitOf(shares: readonly SplitShare[], services: System['services']): ServiceSplit[] {
  return [...new Set(shares.map(({ service }) => service))].map((service) => {
    const its = shares.filter((share) => share.service === service);
    const calls = its.reduce((sum, { done, failed }) => sum + done + failed, 0);
    return {
      service,
      name: services.find(({ id }) => id === service)?.name ?? idText(service),
      shares: its.map(({ server, done, failed }) => ({
        ...{ server, done, failed },
        percent: percentOf(done + failed, calls),
      })),
    };
  });
}

/** What people call a route, by its name in records: `ai33_elevenlabs` is AI33 ElevenLabs. */
export function routeNames({ routes, services }: System): ReadonlyMap<string, string> {
  const nameOf = (service: string) => services.find(({ id }) => id === service)?.name ?? idText(service);
  return new Map(routes.map(({ server, service }) => [`${server}_${service}`, `${idText(server)} ${nameOf(service)}`]));
}

/** Limits of a key on a server: its defaults where they say nothing. */
export async function limitsOn(kc: Doors, server: string, given: KeyLimits): Promise<Limits> {
  const known = (await kc.config.get()).servers.find(({ id }) => id === server);
  if (known === undefined) throw notThere();
  return {
    maxInFlight: given.maxInFlight ?? known.limits.maxInFlight,
    perMinute: given.perMinute ?? known.limits.perMinute,
  };
}
