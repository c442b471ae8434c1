'use client';

import { useMutation } from '@tanstack/react-query';
import { LogOutIcon } from 'lucide-react';
import { useSyncExternalStore } from 'react';

import { ask } from '@/lib/api';

import { useWords } from './language';
import { Button } from './ui/button';

/** Whether the page's script runs: before, a click would be lost without a word. */
function useScript(): boolean {
  return useSyncExternalStore(
    () => () => undefined,
    () => true,
    () => false,
  );
}

export function SignOut() {
  const words = useWords().signIn;
  const runs = useScript();
  const signOut = useMutation({
    mutationFn: () => ask('/api/session', { method: 'DELETE' }),
    onSuccess: () => window.location.assign('/sign-in'),
  });
  return (
    <Button variant="ghost" size="icon" aria-label={words.out} disabled={!runs} onClick={() => signOut.mutate()}>
      <LogOutIcon />
    </Button>
  );
}
