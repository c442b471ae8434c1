'use client';

import { useQuery } from '@tanstack/react-query';
import { CoinsIcon, ConstructionIcon } from 'lucide-react';

import { ask } from '@/lib/api';
import { amountText, idText } from '@/lib/format';
import type { Wire } from '@/lib/wire';
import type { Light, StatusView } from '@/server/views';

import { useLanguage, useWords } from './language';
import { Alert } from './ui/alert';
import { Badge, type BadgeVariant } from './ui/badge';

/** How often the bar is brought up to date. */
const LOOK_MS = 3_000;

export const STATUS_KEY = ['status'] as const;

const VARIANTS: Readonly<Record<Light, BadgeVariant>> = {
  on: 'good',
  busy: 'warning',
  paused: 'warning',
  maintenance: 'warning',
  noKeys: 'default',
  off: 'default',
};

/** What is to be had now, and what the user has. */
export function useStatus(initial?: Wire<StatusView>) {
  return useQuery({
    queryKey: STATUS_KEY,
    queryFn: () => ask<Wire<StatusView>>('/api/status'),
    // The bar looks, and others share what it sees.
    ...(initial === undefined ? {} : { initialData: initial, refetchInterval: LOOK_MS }),
  });
}

/** Credits, and how each server does with each service; what users must know stands below it. */
export function StatusBar({ initial }: { readonly initial: Wire<StatusView> }) {
  const words = useWords().status;
  const language = useLanguage();
  const { data: status = initial } = useStatus(initial);
  const { available, held, debt } = status.wallet;
  const told = [...new Set(status.services.flatMap(({ refused }) => (refused === null ? [] : [refused])))];
  return (
    <>
      <section
        aria-label={words.label}
        className="bg-card flex flex-wrap items-center gap-x-6 gap-y-2 rounded-xl border px-4 py-3"
      >
        <p className="flex items-center gap-2">
          <CoinsIcon className="text-primary size-5" aria-hidden />
          <span className="text-muted-foreground text-sm">{words.credits}</span>
          <strong data-testid="credits" className="text-lg tabular-nums">
            {amountText(available, language)}
          </strong>
          {String(held) !== '0' && <Badge variant="outline">{words.held(amountText(held, language))}</Badge>}
          {String(debt) !== '0' && <Badge variant="bad">{words.debt(amountText(debt, language))}</Badge>}
        </p>
        <ul className="flex flex-wrap gap-x-6 gap-y-2">
          {status.servers.map(({ server, services }) => (
            <li key={server} className="flex flex-wrap items-center gap-2" data-testid={`server-${server}`}>
              <span className="text-sm font-semibold">{idText(server)}</span>
              {services.map(({ service, name, light }) => (
                <Badge key={service} variant={VARIANTS[light]}>
                  {name}: {words[light]}
                </Badge>
              ))}
            </li>
          ))}
        </ul>
      </section>
      <div aria-live="polite" className="contents">
        {told.map((message) => (
          <Alert key={message} variant="warning" data-testid="notice">
            <ConstructionIcon aria-hidden />
            {message}
          </Alert>
        ))}
      </div>
    </>
  );
}
