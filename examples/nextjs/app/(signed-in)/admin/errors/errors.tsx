'use client';

import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';

import { useLanguage, useWords } from '@/components/language';
import { Pages } from '@/components/pages';
import { Badge } from '@/components/ui/badge';
import { Card, CardTitle } from '@/components/ui/card';
import { Field, Select } from '@/components/ui/field';
import { Table, TableCell, TableHead, TableRow } from '@/components/ui/table';
import { ask } from '@/lib/api';
import { idText, instantText } from '@/lib/format';
import type { Wire } from '@/lib/wire';
import type { ErrorView } from '@/server/views-admin';

import { ADMIN_KEY, useSystem } from '../queries';

interface Page {
  readonly errors: Wire<ErrorView>[];
  readonly next: string | null;
}

export function Errors() {
  const words = useWords();
  const { title, route: routeLabel, all } = words.admin.errors;
  /** A query that names a route; empty for all of them. */
  const [route, setRoute] = useState('');
  const system = useSystem();
  const query = useInfiniteQuery({
    queryKey: [...ADMIN_KEY, 'errors', route],
    queryFn: ({ pageParam }) => {
      const asked = new URLSearchParams(route);
      if (pageParam !== null) asked.set('before', pageParam);
      return ask<Page>(`/api/admin/errors?${asked}`);
    },
    initialPageParam: null as string | null,
    getNextPageParam: ({ next }) => next,
  });
  const nameOf = (service: string) => system.data?.services.find(({ id }) => id === service)?.name ?? idText(service);
  return (
    <Card>
      <CardTitle>{title}</CardTitle>
      <Field label={routeLabel} className="sm:w-64">
        {(control) => (
          <Select {...control} value={route} onChange={({ target }) => setRoute(target.value)}>
            <option value="">{all}</option>
            {system.data?.routes.map(({ server, service }) => (
              <option key={`${server} ${service}`} value={new URLSearchParams({ server, service }).toString()}>
                {idText(server)} {nameOf(service)}
              </option>
            ))}
          </Select>
        )}
      </Field>
      <Pages query={query}>{(pages) => <ErrorTable errors={pages.flatMap(({ errors }) => errors)} />}</Pages>
    </Card>
  );
}

function ErrorTable({ errors }: { readonly errors: readonly Wire<ErrorView>[] }) {
  const words = useWords();
  const language = useLanguage();
  const { title, columns, kinds } = words.admin.errors;
  if (errors.length === 0) return <p className="text-muted-foreground text-sm">{words.nothing}</p>;
  return (
    <Table caption={title}>
      <thead>
        <TableRow>
          <TableHead>{columns.when}</TableHead>
          <TableHead>{columns.route}</TableHead>
          <TableHead>{columns.key}</TableHead>
          <TableHead>{columns.kind}</TableHead>
          <TableHead>{columns.code}</TableHead>
          <TableHead>{columns.message}</TableHead>
        </TableRow>
      </thead>
      <tbody>
        {errors.map(({ attempt, at, route, key, kind, upstreamCode, message }) => (
          <TableRow key={attempt}>
            <TableCell className="whitespace-nowrap">{instantText(at, language)}</TableCell>
            <TableCell className="whitespace-nowrap">{route}</TableCell>
            <TableCell className="font-mono text-xs whitespace-nowrap">{key}</TableCell>
            <TableCell>
              <Badge variant="outline">{kinds[kind]}</Badge>
            </TableCell>
            <TableCell className="font-mono text-xs">{upstreamCode ?? '–'}</TableCell>
            <TableCell className="min-w-56 wrap-anywhere">{message}</TableCell>
          </TableRow>
        ))}
      </tbody>
    </Table>
  );
}
