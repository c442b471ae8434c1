'use client';

import { keepPreviousData, useQuery } from '@tanstack/react-query';
import dynamic from 'next/dynamic';
import { useState } from 'react';

import { useLanguage, useWords } from '@/components/language';
import { Loaded } from '@/components/loaded';
import { Alert } from '@/components/ui/alert';
import { Card, CardTitle } from '@/components/ui/card';
import { Field, Select } from '@/components/ui/field';
import { Skeleton } from '@/components/ui/skeleton';
import { Table, TableCell, TableHead, TableRow } from '@/components/ui/table';
import { ask } from '@/lib/api';
import { amountText, idText } from '@/lib/format';
import { dayText, percentText } from '@/lib/format-admin';
import { DAYS, type Days } from '@/lib/requests-admin';
import type { StatisticsView } from '@/server/statistics';

import { SplitTable } from '../split-table';

/** Loaded here alone: the library that draws is large. */
const Bars = dynamic(() => import('./bars'), { ssr: false, loading: () => <Skeleton className="h-64" /> });

/** How long what was counted is shown again as it is. */
const FRESH_MS = 60_000;

export function Statistics() {
  const words = useWords().admin.statistics;
  const language = useLanguage();
  const [days, setDays] = useState<Days>(7);
  const query = useQuery({
    // Not with what each change brings up to date: it reads thousands of records.
    queryKey: ['statistics', days],
    queryFn: () => ask<StatisticsView>(`/api/admin/statistics?days=${days}`),
    placeholderData: keepPreviousData,
    staleTime: FRESH_MS,
    refetchOnWindowFocus: false,
  });
  return (
    <>
      <Field label={words.period} hint={words.utc} className="w-48">
        {(control) => (
          <Select
            {...control}
            value={days}
            onChange={({ target }) => setDays(DAYS.find((days) => String(days) === target.value) ?? 7)}
          >
            {DAYS.map((days) => (
              <option key={days} value={days}>
                {words.days[days]}
              </option>
            ))}
          </Select>
        )}
      </Field>
      <Loaded query={query}>
        {(statistics) => (
          <div aria-busy={query.isFetching} className="grid grid-cols-1 items-start gap-4 lg:grid-cols-2">
            {statistics.cutAt !== null && (
              <Alert variant="warning" className="lg:col-span-2">
                {words.cut(amountText(statistics.cutAt, language))}
              </Alert>
            )}
            <Charged statistics={statistics} />
            <Calls statistics={statistics} />
            <Achieved statistics={statistics} />
            <ErrorRates statistics={statistics} />
          </div>
        )}
      </Loaded>
    </>
  );
}

interface Props {
  readonly statistics: StatisticsView;
}

function Charged({ statistics: { routes, days } }: Props) {
  const { charged: title, columns } = useWords().admin.statistics;
  const language = useLanguage();
  const names = routes.map(({ route }) => route);
  return (
    <Card className="lg:col-span-2">
      <CardTitle>{title}</CardTitle>
      <Bars
        // Drawn as numbers; the table has the exact amounts.
        rows={days.map(({ day, charged }) => ({ name: dayText(day).slice(0, 5), values: charged.map(Number) }))}
        series={names}
        direction="columns"
        format={(value) => amountText(Math.round(value), language)}
      />
      <Table caption={title}>
        <thead>
          <TableRow>
            <TableHead>{columns.day}</TableHead>
            {names.map((name) => (
              <TableHead key={name} className="text-right">
                {name}
              </TableHead>
            ))}
            <TableHead className="text-right">{columns.total}</TableHead>
          </TableRow>
        </thead>
        <tbody>
          {days.toReversed().map(({ day, charged, total }) => (
            <TableRow key={day}>
              <TableCell className="tabular-nums">{dayText(day)}</TableCell>
              {charged.map((amount, place) => (
                <TableCell key={names[place]} className="text-right tabular-nums">
                  {amountText(amount, language)}
                </TableCell>
              ))}
              <TableCell className="text-right font-medium tabular-nums">{amountText(total, language)}</TableCell>
            </TableRow>
          ))}
        </tbody>
      </Table>
    </Card>
  );
}

function Calls({ statistics: { routes } }: Props) {
  const words = useWords();
  const language = useLanguage();
  const { calls: title, callsOnly, charactersOnly, columns } = words.admin.statistics;
  const count = (value: number) => amountText(Math.round(value), language);
  return (
    <Card className="lg:col-span-2">
      <CardTitle>{title}</CardTitle>
      {routes.length === 0 ? (
        <p className="text-muted-foreground text-sm">{words.nothing}</p>
      ) : (
        <>
          <div className="grid grid-cols-1 gap-4 md:grid-cols-2">
            <figure className="min-w-0">
              <figcaption className="text-muted-foreground text-sm">{callsOnly}</figcaption>
              <Bars
                rows={routes.map(({ route, calls }) => ({ name: route, values: [calls] }))}
                series={[callsOnly]}
                direction="rows"
                format={count}
              />
            </figure>
            <figure className="min-w-0">
              <figcaption className="text-muted-foreground text-sm">{charactersOnly}</figcaption>
              <Bars
                rows={routes.map(({ route, characters }) => ({ name: route, values: [characters] }))}
                series={[charactersOnly]}
                direction="rows"
                format={count}
              />
            </figure>
          </div>
          <Table caption={title}>
            <thead>
              <TableRow>
                <TableHead>{columns.route}</TableHead>
                <TableHead className="text-right">{columns.calls}</TableHead>
                <TableHead className="text-right">{columns.characters}</TableHead>
                <TableHead className="text-right">{columns.charged}</TableHead>
              </TableRow>
            </thead>
            <tbody>
              {routes.map(({ route, calls, characters, charged }) => (
                <TableRow key={route}>
                  <TableCell>{route}</TableCell>
                  <TableCell className="text-right tabular-nums">{count(calls)}</TableCell>
                  <TableCell className="text-right tabular-nums">{count(characters)}</TableCell>
                  <TableCell className="text-right tabular-nums">{amountText(charged, language)}</TableCell>
                </TableRow>
              ))}
            </tbody>
          </Table>
        </>
      )}
    </Card>
  );
}

function Achieved({ statistics: { split } }: Props) {
  const words = useWords().admin;
  const language = useLanguage();
  const servers = [...new Set(split.flatMap(({ shares }) => shares.map(({ server }) => server)))];
  return (
    <Card>
      <CardTitle>{words.statistics.split}</CardTitle>
      {split.length > 0 && (
        <Bars
          rows={split.map(({ name, shares }) => ({
            name,
            values: servers.map((server) => shares.find((share) => share.server === server)?.percent ?? 0),
          }))}
          series={servers.map(idText)}
          direction="rows"
          format={(percent) => percentText(percent, language)}
          max={100}
        />
      )}
      <SplitTable split={split} />
    </Card>
  );
}

function ErrorRates({ statistics: { routes } }: Props) {
  const words = useWords();
  const language = useLanguage();
  const { errors: title, columns } = words.admin.statistics;
  return (
    <Card>
      <CardTitle>{title}</CardTitle>
      {routes.length === 0 ? (
        <p className="text-muted-foreground text-sm">{words.nothing}</p>
      ) : (
        <>
          <Bars
            rows={routes.map(({ route, failedPercent }) => ({ name: route, values: [failedPercent] }))}
            series={[title]}
            direction="rows"
            format={(percent) => percentText(percent, language)}
            max={100}
          />
          <Table caption={title}>
            <thead>
              <TableRow>
                <TableHead>{columns.route}</TableHead>
                <TableHead className="text-right">{columns.rate}</TableHead>
                <TableHead className="text-right">{columns.failed}</TableHead>
                <TableHead className="text-right">{columns.calls}</TableHead>
              </TableRow>
            </thead>
            <tbody>
              {routes.map(({ route, failedPercent, failed, calls }) => (
                <TableRow key={route}>
                  <TableCell>{route}</TableCell>
                  <TableCell className="text-right whitespace-nowrap tabular-nums">
                    {percentText(failedPercent, language)}
                  </TableCell>
                  <TableCell className="text-right tabular-nums">{amountText(failed, language)}</TableCell>
                  <TableCell className="text-right tabular-nums">{amountText(calls, language)}</TableCell>
                </TableRow>
              ))}
            </tbody>
          </Table>
        </>
      )}
    </Card>
  );
}
