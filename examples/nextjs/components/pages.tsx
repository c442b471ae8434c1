'use client';

import type { InfiniteData, UseInfiniteQueryResult } from '@tanstack/react-query';
import type { ReactNode } from 'react';

import { useWords } from './language';
import { Alert } from './ui/alert';
import { Button } from './ui/button';
import { Skeleton } from './ui/skeleton';

interface Props<P> {
  readonly query: UseInfiniteQueryResult<InfiniteData<P>>;
  readonly children: (pages: readonly P[]) => ReactNode;
}

/** A list that is asked for page by page: while it loads, when it fails, and when there is more of it. */
export function Pages<P>({ query, children }: Props<P>) {
  const words = useWords();
  if (query.isPending) return <Skeleton className="h-40" />;
  if (query.data === undefined) {
    return (
      <Alert variant="bad">
        <span className="grow">{query.error?.message}</span>
        <Button size="sm" variant="outline" onClick={() => void query.refetch()}>
          {words.retry}
        </Button>
      </Alert>
    );
  }
  return (
    <>
      {children(query.data.pages)}
      {query.isFetchNextPageError && <Alert variant="bad">{query.error?.message}</Alert>}
      {query.hasNextPage && (
        <Button variant="outline" disabled={query.isFetching} onClick={() => void query.fetchNextPage()}>
          {words.more}
        </Button>
      )}
    </>
  );
}
