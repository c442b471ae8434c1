'use client';

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { toast } from 'sonner';

import { STATUS_KEY } from '@/components/status-bar';
import { ask } from '@/lib/api';
import type { SystemView } from '@/server/system';

/** Everything that the administration asks for; a change may concern all of it, if only the audit. */
export const ADMIN_KEY = ['admin'] as const;

/** The system, looked at again each so often; once when not said. */
export function useSystem(refetchInterval: number | false = false) {
  return useQuery({
    queryKey: [...ADMIN_KEY, 'system'],
    queryFn: () => ask<SystemView>('/api/admin/system'),
    refetchInterval,
  });
}

/** A change, under way until what is shown is brought up to date; `told` is what people read when it is made. */
export function useChange<T, V>(change: (variables: V) => Promise<T>, told: (answer: T) => string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: change,
    // Some variables are secrets, and none is needed any more.
    gcTime: 0,
    onSuccess: (answer) => {
      toast.info(told(answer));
    },
    onSettled: () =>
      Promise.all([
        client.invalidateQueries({ queryKey: ADMIN_KEY }),
        client.invalidateQueries({ queryKey: STATUS_KEY }),
      ]),
  });
}
