'use client';

import { useQuery } from '@tanstack/react-query';
import { CaptionsIcon } from 'lucide-react';
import { useState } from 'react';

import { cn } from '@/lib/class-names';
import { cuesOf } from '@/lib/subtitles';

import { useWords } from './language';
import { Button } from './ui/button';

/** The cues of a job's subtitles; none when none were asked for. */
async function subtitlesOf(job: string): Promise<string | null> {
  const answer = await fetch(`/api/jobs/${job}/subtitles`);
  if (answer.status === 404) return null;
  if (!answer.ok) throw new Error(answer.statusText);
  return answer.text();
}

/** Plays what a job made; what is said stands below, and the line that is spoken now is marked. */
export function Player({ job }: { readonly job: string }) {
  const words = useWords().jobs;
  const [now, setNow] = useState(0);
  const { data: srt } = useQuery({
    queryKey: ['subtitles', job],
    queryFn: () => subtitlesOf(job),
    staleTime: Infinity,
  });
  return (
    <div className="flex flex-col gap-3">
      <audio
        controls
        preload="metadata"
        src={`/api/jobs/${job}/audio`}
        aria-label={words.audio}
        className="w-full"
        onTimeUpdate={(event) => setNow(event.currentTarget.currentTime * 1000)}
      />
      {srt === null && <p className="text-muted-foreground text-sm">{words.noSubtitles}</p>}
      {srt && (
        <>
          <ol
            aria-label={words.subtitles}
            tabIndex={0}
            className="focus-visible:ring-ring/60 max-h-48 overflow-y-auto rounded-md border p-3 text-sm outline-none focus-visible:ring-[3px]"
          >
            {cuesOf(srt).map(({ start, end, text }) => (
              <li key={start} className={cn('rounded-sm px-1', start <= now && now < end && 'bg-accent font-medium')}>
                {text}
              </li>
            ))}
          </ol>
          <Button asChild variant="outline" className="w-fit">
            <a href={`/api/jobs/${job}/subtitles`} download={`${job}.srt`}>
              <CaptionsIcon />
              {words.downloadSubtitles}
            </a>
          </Button>
        </>
      )}
    </div>
  );
}
