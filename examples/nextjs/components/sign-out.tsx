'use client';

import { useMutation } from '@tanstack/react-query';
import { LogOutIcon } from 'lucide-react';

import { ask } from '@/lib/api';

import { useWords } from './language';
import { Button } from './ui/button';

export function SignOut() {
  const words = useWords().signIn;
  const signOut = useMutation({
    mutationFn: () => ask('/api/session', { method: 'DELETE' }),
    onSuccess: () => window.location.assign('/sign-in'),
  });
  return (
    <Button variant="ghost" size="icon" aria-label={words.out} onClick={() => signOut.mutate()}>
      <LogOutIcon />
    </Button>
  );
}
