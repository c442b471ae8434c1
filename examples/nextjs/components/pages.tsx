'use client';

import type { InfiniteData, UseInfiniteQueryResult } from '@tanstack/react-query';
import type { ReactNode } from 'react';

import { useWords } from './language';
import { Loaded } from './loaded';
import { Alert } from './ui/alert';
import { Button } from './ui/button';

interface Props<P> {
  readonly query: UseInfiniteQueryResult<InfiniteData<P>>;
  readonly children: (pages: readonly P[]) => ReactNode;
}

/** A list that is asked for page by page, and whether there is more of it. */
export function Pages<P>({ query, children }: Props<P>) {
  const words = useWords();
  return (
    <Loaded query={query}>
      {({ pages }) => (
        <>
          {children(pages)}
          {query.isFetchNextPageError && <Alert variant="bad">{query.error?.message}</Alert>}
          {query.hasNextPage && (
            <Button variant="outline" disabled={query.isFetching} onClick={() => void query.fetchNextPage()}>
              {words.more}
            </Button>
          )}
        </>
      )}
    </Loaded>
  );
}
