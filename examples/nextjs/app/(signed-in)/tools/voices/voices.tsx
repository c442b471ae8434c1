'use client';

import { useQuery } from '@tanstack/react-query';
import type { Service } from 'kingcong';
import Link from 'next/link';
import { useState } from 'react';

import { JobProgress } from '@/components/job-progress';
import { useLanguage, useWords } from '@/components/language';
import { Button } from '@/components/ui/button';
import { Card, CardDescription, CardTitle } from '@/components/ui/card';
import { Skeleton } from '@/components/ui/skeleton';
import { ask } from '@/lib/api';
import { instantText } from '@/lib/format';
import type { Wire } from '@/lib/wire';
import type { VoiceView } from '@/server/views';

import { VoiceForm } from './form';

interface Props {
  readonly services: readonly Service[];
  /** Those that clone voices. */
  readonly cloning: readonly Service[];
}

/** The form, the job that makes the voice, and the voices that there are. */
export function Voices({ services, cloning }: Props) {
  const all = useWords();
  const words = all.voices;
  const language = useLanguage();
  const [shown, setShown] = useState<string | null>(null);
  const { data: voices } = useQuery({
    queryKey: ['voices', 'cloned'],
    queryFn: () => ask<Wire<VoiceView>[]>('/api/voices/cloned'),
  });
  return (
    <>
      <VoiceForm services={cloning} onSubmitted={setShown} />
      {shown !== null && <JobProgress key={shown} id={shown} />}
      <Card>
        <CardTitle>{words.mine}</CardTitle>
        {voices === undefined && <Skeleton className="h-16" />}
        {voices?.length === 0 && <CardDescription>{all.nothing}</CardDescription>}
        <ul className="flex flex-col gap-2">
          {voices?.map(({ id, name, service, createdAt }) => (
            <li key={id} className="flex flex-wrap items-center gap-x-4 gap-y-1 rounded-md border p-3">
              <span className="font-medium break-all">{name}</span>
              <span className="text-muted-foreground text-sm">
                {services.find((known) => known.id === service)?.name ?? service} · {instantText(createdAt, language)}
              </span>
              <Button asChild size="sm" variant="outline" className="ml-auto">
                <Link href={`/tools/speech?service=${service}&voice=${id}`} aria-label={words.useLabel(name)}>
                  {words.use}
                </Link>
              </Button>
            </li>
          ))}
        </ul>
      </Card>
    </>
  );
}
