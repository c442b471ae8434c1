'use client';

import { useInfiniteQuery } from '@tanstack/react-query';
import { DownloadIcon } from 'lucide-react';
import { useState } from 'react';

import { useLanguage, useWords } from '@/components/language';
import { Pages } from '@/components/pages';
import { Button } from '@/components/ui/button';
import { Card } from '@/components/ui/card';
import { Field, Input, Select } from '@/components/ui/field';
import { Table, TableCell, TableHead, TableRow } from '@/components/ui/table';
import { ask } from '@/lib/api';
import { amountText, instantText } from '@/lib/format';
import { EntryKind } from '@/lib/requests';
import type { Wire } from '@/lib/wire';
import type { EntryView } from '@/server/views';

interface Page {
  readonly entries: Wire<EntryView>[];
  readonly next: number | null;
}

const NO_FILTER = { kind: '', from: '', to: '' };

/** A filter as a query; what is empty is left out. */
function queryOf(filter: typeof NO_FILTER): URLSearchParams {
  return new URLSearchParams(Object.entries(filter).filter(([, value]) => value !== ''));
}

export function Transactions() {
  const words = useWords().history;
  const language = useLanguage();
  const [filter, setFilter] = useState(NO_FILTER);
  const query = useInfiniteQuery({
    queryKey: ['transactions', filter],
    queryFn: ({ pageParam }) => {
      const asked = queryOf(filter);
      if (pageParam !== null) asked.set('before', String(pageParam));
      return ask<Page>(`/api/transactions?${asked}`);
    },
    initialPageParam: null as number | null,
    getNextPageParam: ({ next }) => next,
  });
  const { columns, kinds } = words;
  return (
    <Card>
      <div className="flex flex-wrap items-start gap-3">
        <Field label={words.kind} className="w-40">
          {(control) => (
            <Select {...control} value={filter.kind} onChange={(e) => setFilter({ ...filter, kind: e.target.value })}>
              <option value="">{words.all}</option>
              {EntryKind.options.map((kind) => (
                <option key={kind} value={kind}>
                  {kinds[kind]}
                </option>
              ))}
            </Select>
          )}
        </Field>
        {(['from', 'to'] as const).map((end) => (
          <Field key={end} label={words[end]} hint={words.utc} className="w-44">
            {(control) => (
              <Input
                {...control}
                type="date"
                value={filter[end]}
                onChange={(e) => setFilter({ ...filter, [end]: e.target.value })}
              />
            )}
          </Field>
        ))}
        <Button variant="outline" asChild className="mt-6.5 ml-auto">
          <a href={`/api/transactions/csv?${queryOf(filter)}`} download>
            <DownloadIcon />
            {words.csv}
          </a>
        </Button>
      </div>
      <Pages query={query}>
        {(pages) => (
          <Table caption={words.title}>
            <thead>
              <TableRow>
                <TableHead>{columns.number}</TableHead>
                <TableHead>{columns.when}</TableHead>
                <TableHead>{columns.kind}</TableHead>
                <TableHead className="text-right">{columns.amount}</TableHead>
                <TableHead className="text-right">{columns.balance}</TableHead>
                <TableHead>{columns.route}</TableHead>
                <TableHead>{columns.reference}</TableHead>
              </TableRow>
            </thead>
            <tbody>
              {pages
                .flatMap(({ entries }) => entries)
                .map((entry) => (
                  <TableRow key={entry.number}>
                    <TableCell className="tabular-nums">{entry.number}</TableCell>
                    <TableCell className="whitespace-nowrap">{instantText(entry.at, language)}</TableCell>
                    <TableCell>{kinds[entry.kind]}</TableCell>
                    <TableCell className="text-right tabular-nums">{amountText(entry.amount, language)}</TableCell>
                    <TableCell className="text-right tabular-nums">
                      {amountText(entry.balanceAfter, language)}
                    </TableCell>
                    <TableCell>{entry.route}</TableCell>
                    <TableCell className="max-w-64 truncate">{entry.reference}</TableCell>
                  </TableRow>
                ))}
            </tbody>
          </Table>
        )}
      </Pages>
    </Card>
  );
}
