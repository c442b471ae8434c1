'use client';

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { DownloadIcon } from 'lucide-react';
import { useEffect, useState } from 'react';
import { toast } from 'sonner';

import { ask } from '@/lib/api';
import { amountText } from '@/lib/format';
import type { Wire } from '@/lib/wire';
import type { JobDetail, TaskView } from '@/server/views';

import { useLanguage, useWords } from './language';
import { Player } from './player';
import { STATUS_KEY } from './status-bar';
import { Alert } from './ui/alert';
import { Badge, type BadgeVariant } from './ui/badge';
import { Button } from './ui/button';
import { Card, CardTitle } from './ui/card';
import { Progress } from './ui/progress';
import { Skeleton } from './ui/skeleton';

/** How often a job is looked at whose events do not come. */
const LOOK_MS = 3_000;

export type WatchedJob = Wire<JobDetail>;

export const STATE_VARIANTS: Readonly<Record<WatchedJob['job']['state'], BadgeVariant>> = {
  open: 'default',
  cancelling: 'warning',
  expiring: 'warning',
  completed: 'good',
  completed_with_failures: 'warning',
  failed: 'bad',
  cancelled: 'outline',
};

const TASK_VARIANTS: Readonly<Record<TaskView['state'], BadgeVariant>> = {
  pending: 'outline',
  processing: 'default',
  completed: 'good',
  failed: 'bad',
};

/** A job as it goes on, and whether the connection is lost for now. */
function useJob(id: string): {
  readonly detail: WatchedJob | undefined;
  readonly isLost: boolean;
  error: Error | null;
} {
  const client = useQueryClient();
  const [isLost, setLost] = useState(false);
  const { data: detail, error } = useQuery({
    queryKey: ['job', id],
    queryFn: () => ask<WatchedJob>(`/api/jobs/${id}`),
    staleTime: Infinity,
    // After an answer that was no stream the browser does not connect again.
    refetchInterval: ({ state }) => (isLost && !state.data?.job.isFinal ? LOOK_MS : false),
  });
  const isFinal = detail?.job.isFinal ?? false;
  useEffect(() => {
    if (isFinal) return;
    const events = new EventSource(`/api/jobs/${id}/events`);
    events.addEventListener('job', ({ data }: MessageEvent<string>) => {
      setLost(false);
      client.setQueryData(['job', id], JSON.parse(data) as WatchedJob);
    });
    events.addEventListener('error', () => setLost(true));
    return () => {
      events.close();
      for (const queryKey of [STATUS_KEY, ['jobs'], ['transactions'], ['voices'], ['estimate']]) {
        void client.invalidateQueries({ queryKey });
      }
    };
  }, [client, id, isFinal]);
  return { detail, isLost: isLost && !isFinal, error };
}

/** What becomes of a job: its tasks as they go on, its price, its result. */
export function JobProgress({ id }: { readonly id: string }) {
  const all = useWords();
  const words = all.jobs;
  const language = useLanguage();
  const { detail, isLost, error } = useJob(id);
  const cancel = useMutation({
    mutationFn: () => ask(`/api/jobs/${id}`, { method: 'DELETE' }),
    onSuccess: () => toast.info(words.cancelled),
  });
  if (detail === undefined) return error ? <Alert variant="bad">{error.message}</Alert> : <Skeleton className="h-40" />;

  const { job, tasks, available } = detail;
  const done = job.tasks - job.openTasks;
  const hasAudio = job.state === 'completed' && job.operation === 'speech';
  return (
    <Card data-testid="job" data-state={job.state} aria-label={words.title}>
      <div className="flex flex-wrap items-center justify-between gap-2">
        <CardTitle className="flex items-center gap-2">
          {job.operation === 'speech' ? words.speech : words.cloning}
          <Badge variant={STATE_VARIANTS[job.state]}>{words.states[job.state]}</Badge>
        </CardTitle>
        {job.state === 'open' && (
          <Button size="sm" variant="outline" disabled={cancel.isPending} onClick={() => cancel.mutate()}>
            {words.cancel}
          </Button>
        )}
      </div>
      <Progress
        value={Math.round((progressOf(tasks) / job.tasks) * 100)}
        aria-label={words.progress(done, job.tasks)}
      />
      <p className="text-muted-foreground flex flex-wrap gap-x-4 text-sm" aria-live="polite">
        <span>{words.progress(done, job.tasks)}</span>
        <span data-testid="charged">
          {job.isFinal ? words.charged(amountText(job.charged, language)) : words.held(amountText(job.held, language))}
        </span>
        {job.isFinal && <span>{words.left(amountText(available, language))}</span>}
        {isLost && <span>{words.lost}</span>}
      </p>
      {hasAudio && <Player job={id} />}
      <ul aria-label={words.tasks} className="grid gap-2 sm:grid-cols-2 lg:grid-cols-3">
        {tasks.map((task) => (
          <Task key={task.place} task={task} />
        ))}
      </ul>
      {hasAudio && (
        <Button asChild variant="outline" className="w-fit">
          <a href={`/api/jobs/${id}/audio`} download>
            <DownloadIcon />
            {words.download}
          </a>
        </Button>
      )}
    </Card>
  );
}

/** How many tasks' worth is done. */
function progressOf(tasks: WatchedJob['tasks']): number {
  const parts = tasks.map(({ state, percent }) =>
    state === 'completed' || state === 'failed' ? 1 : (percent ?? 0) / 100,
  );
  return parts.reduce((sum, part) => sum + part, 0);
}

function Task({ task }: { readonly task: Wire<TaskView> }) {
  const words = useWords().jobs;
  const { place, state, route, percent, error } = task;
  return (
    <li data-testid="task" data-route={route} data-state={state} className="flex flex-col gap-1 rounded-md border p-2">
      <span className="flex flex-wrap items-center gap-2 text-sm">
        <span className="font-medium">{words.task(place + 1)}</span>
        <span className="text-muted-foreground">{route}</span>
        <Badge variant={TASK_VARIANTS[state]} className="ml-auto">
          {words.taskStates[state]}
          {percent !== null && ` ${percent}%`}
        </Badge>
      </span>
      {error !== null && <span className="text-destructive text-sm">{error}</span>}
    </li>
  );
}
