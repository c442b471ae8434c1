'use client';

import { useQuery } from '@tanstack/react-query';
import type { Key, KeyStatus } from 'kingcong';
import { RefreshCwIcon } from 'lucide-react';

import { useLanguage, useWords } from '@/components/language';
import { Loaded } from '@/components/loaded';
import { Badge, type BadgeVariant } from '@/components/ui/badge';
import { Button } from '@/components/ui/button';
import { Card, CardTitle } from '@/components/ui/card';
import { Switch } from '@/components/ui/switch';
import { Table, TableCell, TableHead, TableRow } from '@/components/ui/table';
import { ask } from '@/lib/api';
import { amountText, idText, instantText } from '@/lib/format';
import { keyText } from '@/lib/format-admin';
import type { RouteSwitch } from '@/lib/requests-admin';
import type { Wire } from '@/lib/wire';
import type { SystemView } from '@/server/system';

import { ADMIN_KEY, useChange, useSystem } from '../queries';
import { AddKey } from './add-key';
import { ChangeLimits } from './change-limits';
import { RemoveKey } from './remove-key';

/** How often keys are looked at: their status changes by itself. */
const LOOK_MS = 10_000;

const VARIANTS: Readonly<Record<KeyStatus, BadgeVariant>> = {
  active: 'good',
  doubtful: 'warning',
  out_of_credit: 'warning',
  dead: 'bad',
  unreadable: 'bad',
  suspended: 'bad',
  removed: 'default',
};

export function Keys() {
  const { title } = useWords().admin.keys;
  const system = useSystem();
  const keys = useQuery({
    queryKey: [...ADMIN_KEY, 'keys'],
    queryFn: () => ask<Wire<Key>[]>('/api/admin/keys'),
    refetchInterval: LOOK_MS,
  });
  return (
    <Card>
      <Loaded query={system}>
        {(system) => (
          <>
            <div className="flex flex-wrap items-center justify-between gap-2">
              <CardTitle>{title}</CardTitle>
              <AddKey system={system} />
            </div>
            <Loaded query={keys}>{(keys) => <KeyTable keys={keys} system={system} />}</Loaded>
          </>
        )}
      </Loaded>
    </Card>
  );
}

function KeyTable({ keys, system }: { readonly keys: readonly Wire<Key>[]; readonly system: SystemView }) {
  const words = useWords();
  const { title, columns } = words.admin.keys;
  if (keys.length === 0) return <p className="text-muted-foreground text-sm">{words.nothing}</p>;
  return (
    <Table caption={title}>
      <thead>
        <TableRow>
          <TableHead>{columns.route}</TableHead>
          <TableHead>{columns.key}</TableHead>
          <TableHead>{columns.status}</TableHead>
          <TableHead>{columns.limits}</TableHead>
          <TableHead className="text-right">{columns.balance}</TableHead>
          <TableHead>{columns.lastUsed}</TableHead>
          <TableHead>{columns.checked}</TableHead>
          <TableHead>{columns.actions}</TableHead>
        </TableRow>
      </thead>
      <tbody>
        {keys.map((key) => (
          <KeyRow key={key.id} of={key} system={system} />
        ))}
      </tbody>
    </Table>
  );
}

function KeyRow({ of: key, system }: { readonly of: Wire<Key>; readonly system: SystemView }) {
  const words = useWords().admin;
  const language = useLanguage();
  const { id, server, service, label, mask, account, limits, status, reason, balance, lastUsed, checkedAt } = key;
  const { statuses, never, use, atOnce, inAMinute, check: checkNow, checkLabel, checked } = words.keys;
  const name = keyText(key);
  const when = (instant: string | null) => (instant === null ? never : instantText(instant, language));
  const turn = useChange(
    (body: RouteSwitch) => ask(`/api/admin/keys/${id}`, { method: 'PATCH', body }),
    () => words.saved,
  );
  const check = useChange(
    () => ask<Wire<Key>>(`/api/admin/keys/${id}/check`, { method: 'POST' }),
    (found) => checked(name, statuses[found.status]),
  );
  return (
    // Nothing in it is disabled: who uses the keyboard would lose their place.
    <TableRow aria-busy={turn.isPending || check.isPending}>
      <TableCell className="whitespace-nowrap">
        {idText(server)} {system.services.find(({ id }) => id === service)?.name ?? idText(service)}
      </TableCell>
      <TableCell className="whitespace-nowrap">
        <span className="flex flex-col">
          {label !== '' && <span className="max-w-48 truncate">{label}</span>}
          {account !== null && <span className="text-muted-foreground max-w-48 truncate">{account}</span>}
          <span className="text-muted-foreground font-mono text-xs">
            {mask} #{id.slice(-4)}
          </span>
        </span>
      </TableCell>
      <TableCell>
        <span className="flex min-w-32 items-center gap-2">
          <Switch
            aria-label={use(name)}
            checked={key.switch === 'on'}
            onCheckedChange={(isOn) => turn.mutate({ switch: isOn ? 'on' : 'off' })}
          />
          <Badge variant={key.switch === 'on' ? 'outline' : 'default'}>{words.switch[key.switch]}</Badge>
          <Badge variant={VARIANTS[status]}>{statuses[status]}</Badge>
        </span>
        {reason !== null && <p className="text-muted-foreground mt-1 max-w-64 text-xs">{reason}</p>}
      </TableCell>
      <TableCell className="whitespace-nowrap">
        <span className="flex flex-col">
          <span>{atOnce(amountText(limits.maxInFlight, language))}</span>
          <span>{inAMinute(amountText(limits.perMinute, language))}</span>
        </span>
      </TableCell>
      <TableCell className="text-right tabular-nums">
        {balance === null ? '–' : amountText(balance, language)}
      </TableCell>
      <TableCell className="min-w-20">{when(lastUsed)}</TableCell>
      <TableCell className="min-w-20">{when(checkedAt)}</TableCell>
      <TableCell>
        <span className="flex gap-2">
          <Button
            size="sm"
            variant="outline"
            aria-label={checkLabel(name)}
            aria-disabled={check.isPending}
            onClick={() => {
              if (!check.isPending) check.mutate(undefined);
            }}
          >
            <RefreshCwIcon />
            {checkNow}
          </Button>
          <ChangeLimits id={id} name={name} defaults={system.servers.find(({ id }) => id === server)?.limits} />
          <RemoveKey id={id} name={name} />
        </span>
      </TableCell>
    </TableRow>
  );
}
