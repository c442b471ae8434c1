'use client';

import { useInfiniteQuery } from '@tanstack/react-query';

import { useLanguage, useWords } from '@/components/language';
import { Pages } from '@/components/pages';
import { Card, CardTitle } from '@/components/ui/card';
import { Table, TableCell, TableHead, TableRow } from '@/components/ui/table';
import { ask } from '@/lib/api';
import { instantText } from '@/lib/format';
import type { Wire } from '@/lib/wire';
import type { AuditView } from '@/server/views-admin';

import { ADMIN_KEY } from '../queries';

interface Page {
  readonly entries: Wire<AuditView>[];
  readonly next: string | null;
}

export function Audit() {
  const words = useWords();
  const language = useLanguage();
  const { title, columns } = words.admin.audit;
  const query = useInfiniteQuery({
    queryKey: [...ADMIN_KEY, 'audit'],
    queryFn: ({ pageParam }) => ask<Page>(`/api/admin/audit${pageParam === null ? '' : `?before=${pageParam}`}`),
    initialPageParam: null as Page['next'],
    getNextPageParam: ({ next }) => next,
  });
  return (
    <Card>
      <CardTitle>{title}</CardTitle>
      <Pages query={query}>
        {(pages) => (
          <Table caption={title}>
            <thead>
              <TableRow>
                <TableHead>{columns.when}</TableHead>
                <TableHead>{columns.actor}</TableHead>
                <TableHead>{columns.door}</TableHead>
                <TableHead>{columns.detail}</TableHead>
              </TableRow>
            </thead>
            <tbody>
              {pages
                .flatMap(({ entries }) => entries)
                .map(({ id, at, actor, door, detail }) => (
                  <TableRow key={id}>
                    <TableCell className="align-top whitespace-nowrap">{instantText(at, language)}</TableCell>
                    <TableCell className="align-top">{actor}</TableCell>
                    <TableCell className="align-top font-mono text-xs leading-5 whitespace-nowrap">{door}</TableCell>
                    <TableCell className="text-muted-foreground min-w-64 font-mono text-xs leading-5 wrap-anywhere">
                      {detail}
                    </TableCell>
                  </TableRow>
                ))}
            </tbody>
          </Table>
        )}
      </Pages>
    </Card>
  );
}
