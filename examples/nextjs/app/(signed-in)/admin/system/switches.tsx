'use client';

import { useId } from 'react';

import { useWords } from '@/components/language';
import { Badge } from '@/components/ui/badge';
import { Card, CardDescription, CardTitle } from '@/components/ui/card';
import { Switch } from '@/components/ui/switch';
import { ask } from '@/lib/api';
import { idText } from '@/lib/format';
import type { RouteSwitch } from '@/lib/requests-admin';
import type { SystemView } from '@/server/system';

import { useChange } from '../queries';

type Route = SystemView['routes'][number];

/** A switch for each route, and what they make together. */
export function Switches({ system }: { readonly system: SystemView }) {
  const words = useWords().admin;
  const { servers, services, routes, state } = system;
  const turn = useChange(
    ({ server, service, switch: now }: Route) => {
      const body: RouteSwitch = { switch: now === 'on' ? 'off' : 'on' };
      return ask(`/api/admin/routes/${server}/${service}`, { method: 'PUT', body });
    },
    () => words.saved,
  );
  const states: Readonly<Record<string, string>> = words.system.states;
  return (
    <Card aria-label={words.system.switches}>
      <CardTitle>{words.system.switches}</CardTitle>
      <p aria-live="polite" className="flex flex-wrap items-center gap-2 text-sm" data-testid="state">
        <span className="text-muted-foreground">{words.system.state}</span>
        <Badge variant={state === 'all_on' ? 'good' : 'warning'} className="whitespace-normal">
          {states[state] ?? state}
        </Badge>
      </p>
      <div className="grid gap-4 sm:grid-cols-2">
        {servers.map(({ id: server }) => (
          // Never disabled: who turns a switch by the keyboard would lose it.
          <fieldset key={server} className="rounded-lg border px-4 pb-2" aria-busy={turn.isPending}>
            <legend className="px-1 text-sm font-semibold">{idText(server)}</legend>
            {services.map(({ id: service, name }) => {
              const route = routes.find((route) => route.server === server && route.service === service);
              if (route === undefined) return null;
              const label = `${idText(server)} ${name}`;
              return <Turn key={service} {...{ route, name, label }} onTurn={() => turn.mutate(route)} />;
            })}
          </fieldset>
        ))}
      </div>
      <CardDescription>{words.system.switchesHint}</CardDescription>
    </Card>
  );
}

interface TurnProps {
  readonly route: Route;
  readonly name: string;
  readonly label: string;
  readonly onTurn: () => void;
}

function Turn({ route, name, label, onTurn }: TurnProps) {
  const words = useWords().admin.switch;
  const id = useId();
  return (
    <div className="flex min-h-11 items-center justify-between gap-2">
      <label htmlFor={id} className="text-sm">
        {name}
      </label>
      <span className="flex items-center gap-2">
        <span aria-hidden className="text-muted-foreground text-sm">
          {words[route.switch]}
        </span>
        <Switch id={id} aria-label={label} checked={route.switch === 'on'} onCheckedChange={onTurn} />
      </span>
    </div>
  );
}
