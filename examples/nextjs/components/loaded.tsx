'use client';

import type { ReactNode } from 'react';

import { useWords } from './language';
import { Alert } from './ui/alert';
import { Button } from './ui/button';
import { Skeleton } from './ui/skeleton';

interface Props<T> {
  readonly query: {
    readonly isPending: boolean;
    readonly data: T | undefined;
    readonly error: Error | null;
    readonly refetch: () => unknown;
  };
  readonly children: (data: T) => ReactNode;
}

/** What a door answers: while it loads, and when it fails. */
export function Loaded<T>({ query, children }: Props<T>) {
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
  return children(query.data);
}
