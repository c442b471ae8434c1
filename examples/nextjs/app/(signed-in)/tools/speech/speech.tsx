'use client';

import type { Service } from 'kingcong';
import { useState } from 'react';

import { JobList } from '@/components/job-list';
import { JobProgress } from '@/components/job-progress';

import { SpeechForm, type Draft } from './form';

interface Props {
  readonly services: readonly Service[];
  readonly initial: Pick<Draft, 'service' | 'voice'>;
}

/** The form, the job that is watched, and all jobs. */
export function Speech({ services, initial }: Props) {
  const [shown, setShown] = useState<string | null>(null);
  return (
    <>
      <SpeechForm services={services} initial={initial} onSubmitted={setShown} />
      {shown !== null && <JobProgress key={shown} id={shown} />}
      <JobList onOpen={setShown} />
    </>
  );
}
