'use client';

import { useInfiniteQuery } from '@tanstack/react-query';

import { ask } from '@/lib/api';
import { amountText, instantText } from '@/lib/format';
import type { Wire } from '@/lib/wire';
import type { JobView } from '@/server/views';

import { STATE_VARIANTS } from './job-progress';
import { useLanguage, useWords } from './language';
import { Pages } from './pages';
import { useStatus } from './status-bar';
import { Badge } from './ui/badge';
import { Button } from './ui/button';
import { Card, CardDescription, CardTitle } from './ui/card';
import { Table, TableCell, TableHead, TableRow } from './ui/table';

interface Page {
  readonly jobs: readonly Wire<JobView>[];
  readonly next: string | null;
}

/** The user's jobs, newest first. */
export function JobList({ onOpen }: { readonly onOpen: (id: string) => void }) {
  const all = useWords();
  const words = all.jobs;
  const language = useLanguage();
  const { data: status } = useStatus();
  const nameOf = (id: string) => status?.services.find(({ service }) => service === id)?.name ?? id;
  const query = useInfiniteQuery({
    queryKey: ['jobs'],
    queryFn: ({ pageParam }) => ask<Page>(`/api/jobs${pageParam === null ? '' : `?before=${pageParam}`}`),
    initialPageParam: null as string | null,
    getNextPageParam: ({ next }) => next,
  });
  return (
    <Card>
      <CardTitle>{words.title}</CardTitle>
      <Pages query={query}>
        {(pages) => {
          const jobs = pages.flatMap((page) => page.jobs);
          if (jobs.length === 0) return <CardDescription>{all.nothing}</CardDescription>;
          return (
            <Table caption={words.title}>
              <thead>
                <TableRow>
                  <TableHead>{words.columns.when}</TableHead>
                  <TableHead>{words.columns.what}</TableHead>
                  <TableHead>{words.columns.state}</TableHead>
                  <TableHead className="text-right">{words.columns.tasks}</TableHead>
                  <TableHead className="text-right">{words.columns.cost}</TableHead>
                </TableRow>
              </thead>
              <tbody>
                {jobs.map((job) => {
                  const when = instantText(job.createdAt, language);
                  return (
                    <TableRow key={job.id}>
                      <TableCell>
                        <Button size="sm" variant="ghost" aria-label={words.open(when)} onClick={() => onOpen(job.id)}>
                          {when}
                        </Button>
                      </TableCell>
                      <TableCell className="whitespace-nowrap">
                        {job.operation === 'speech' ? words.speech : words.cloning} · {nameOf(job.service)}
                      </TableCell>
                      <TableCell>
                        <Badge variant={STATE_VARIANTS[job.state]}>{words.states[job.state]}</Badge>
                      </TableCell>
                      <TableCell className="text-right tabular-nums">
                        {job.tasks - job.openTasks - job.failedTasks}/{job.tasks}
                      </TableCell>
                      <TableCell className="text-right tabular-nums">{amountText(job.charged, language)}</TableCell>
                    </TableRow>
                  );
                })}
              </tbody>
            </Table>
          );
        }}
      </Pages>
    </Card>
  );
}
