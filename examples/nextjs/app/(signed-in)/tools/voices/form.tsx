'use client';

import { useMutation } from '@tanstack/react-query';
import type { Service } from 'kingcong';
import { MicIcon, SquareIcon } from 'lucide-react';
import { useEffect, useMemo, useRef, useState } from 'react';
import { Controller, useForm } from 'react-hook-form';
import { toast } from 'sonner';

import type { WatchedJob } from '@/components/job-progress';
import { useWords } from '@/components/language';
import { ServiceSelect } from '@/components/service-select';
import { Alert } from '@/components/ui/alert';
import { Button } from '@/components/ui/button';
import { Card } from '@/components/ui/card';
import { Field, Input, Label } from '@/components/ui/field';
import { ApiError, ask } from '@/lib/api';
import { SAMPLE_BYTES_MAX } from '@/lib/requests';
import type { Words } from '@/lib/words';

interface Draft {
  readonly service: string;
  readonly name: string;
  readonly sample: File | null;
  readonly hasRights: boolean;
}

/** What is wrong with a sample; nothing when it may be sent. */
function wrongWith(sample: File | null, words: Words['voices']): true | string {
  if (sample === null) return words.noSample;
  if (sample.size > SAMPLE_BYTES_MAX) return words.tooLarge;
  return sample.type.startsWith('audio/') ? true : words.notAudio;
}

interface Props {
  readonly services: readonly Service[];
  readonly onSubmitted: (job: string) => void;
}

/** A voice to be cloned: a recording, and what the voice is called. */
export function VoiceForm({ services, onSubmitted }: Props) {
  const words = useWords().voices;
  const service = useWords().speech.service;
  const empty: Draft = { service: services[0]?.id ?? '', name: '', sample: null, hasRights: false };
  const form = useForm<Draft>({ defaultValues: empty });
  const { errors } = form.formState;
  // The same until it was taken: who sends it twice gets one voice.
  const key = useRef(crypto.randomUUID());
  // A file's field cannot be emptied, only made anew.
  const [sent, setSent] = useState(0);
  const clone = useMutation({
    mutationFn: ({ service, name, sample }: Draft) => {
      const body = new FormData();
      for (const [field, value] of Object.entries({ service, name, idempotencyKey: key.current })) {
        body.set(field, value);
      }
      if (sample !== null) body.set('sample', sample);
      return ask<WatchedJob>('/api/voices/cloned', { method: 'POST', body });
    },
    meta: { isToldInPlace: true },
    onSuccess: ({ job }) => {
      onSubmitted(job.id);
      form.reset({ ...empty, service: form.getValues('service') });
      setSent((count) => count + 1);
    },
    // A refusal is remembered with its key; an answer that was lost may be a job.
    onSettled: (_job, error) => {
      if (error === null || (error instanceof ApiError && error.status < 500)) key.current = crypto.randomUUID();
    },
  });
  return (
    <Card>
      <form className="flex flex-col gap-4" noValidate onSubmit={form.handleSubmit((draft) => clone.mutate(draft))}>
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label={service}>
            {(control) => <ServiceSelect services={services} {...control} {...form.register('service')} />}
          </Field>
          <Field label={words.name} error={errors.name && words.noName}>
            {(control) => (
              <Input
                {...control}
                maxLength={64}
                {...form.register('name', { validate: (name) => name.trim() !== '' })}
              />
            )}
          </Field>
        </div>
        <Controller
          name="sample"
          control={form.control}
          rules={{ validate: (sample) => wrongWith(sample, words) }}
          render={({ field }) => (
            <Sample key={sent} sample={field.value} onChange={field.onChange} error={errors.sample?.message} />
          )}
        />
        <div className="flex flex-col gap-1.5">
          <div className="flex items-center gap-2">
            <input
              id="rights"
              type="checkbox"
              className="accent-primary size-4"
              aria-invalid={errors.hasRights !== undefined}
              aria-describedby={errors.hasRights && 'rights-error'}
              {...form.register('hasRights', { required: true })}
            />
            <Label htmlFor="rights">{words.rights}</Label>
          </div>
          {errors.hasRights && (
            <p id="rights-error" role="alert" className="text-destructive text-sm">
              {words.noRights}
            </p>
          )}
        </div>
        {clone.error && <Alert variant="bad">{clone.error.message}</Alert>}
        <Button type="submit" className="w-full sm:w-fit" disabled={clone.isPending}>
          {words.submit}
        </Button>
      </form>
    </Card>
  );
}

interface SampleProps {
  readonly sample: File | null;
  readonly onChange: (sample: File | null) => void;
  readonly error: string | undefined;
}

/** A recording: a file, or one made here; it can be listened to before it is sent. */
function Sample({ sample, onChange, error }: SampleProps) {
  const words = useWords().voices;
  const { seconds, toggle } = useRecorder(onChange);
  const url = useMemo(() => (sample === null ? null : URL.createObjectURL(sample)), [sample]);
  useEffect(() => () => (url === null ? undefined : URL.revokeObjectURL(url)), [url]);
  return (
    <div className="flex flex-col gap-3">
      <Field label={words.sample} hint={words.sampleHint} error={error}>
        {(control) => (
          <Input
            {...control}
            type="file"
            accept="audio/*"
            className="py-2"
            onChange={(event) => onChange(event.target.files?.[0] ?? null)}
          />
        )}
      </Field>
      <Button type="button" variant="outline" className="w-full sm:w-fit" onClick={() => void toggle()}>
        {seconds === null ? <MicIcon /> : <SquareIcon />}
        {seconds === null ? words.record : words.stop(seconds)}
      </Button>
      {url !== null && <audio controls src={url} aria-label={words.preview} className="w-full" />}
    </div>
  );
}

function silence(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}

/** Records by the microphone; `seconds` is null while it does not. */
function useRecorder(onRecorded: (sample: File) => void): { seconds: number | null; toggle: () => Promise<void> } {
  const words = useWords().voices;
  const recorder = useRef<MediaRecorder | null>(null);
  const [seconds, setSeconds] = useState<number | null>(null);
  const isRecording = seconds !== null;

  useEffect(() => {
    if (!isRecording) return;
    const timer = setInterval(() => setSeconds((past) => (past ?? 0) + 1), 1_000);
    return () => clearInterval(timer);
  }, [isRecording]);
  const isAsking = useRef(false);
  const isGone = useRef(false);
  // Who leaves the page no longer records.
  useEffect(() => {
    isGone.current = false;
    return () => {
      isGone.current = true;
      if (recorder.current !== null) silence(recorder.current.stream);
    };
  }, []);

  const toggle = async () => {
    if (recorder.current !== null) return recorder.current.stop();
    if (isAsking.current) return;
    isAsking.current = true;
    let stream: MediaStream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    } catch {
      toast.error(words.noMicrophone);
      return;
    } finally {
      isAsking.current = false;
    }
    if (isGone.current) return silence(stream);
    const parts: Blob[] = [];
    const made = new MediaRecorder(stream);
    made.ondataavailable = ({ data }) => parts.push(data);
    made.onstop = () => {
      silence(stream);
      recorder.current = null;
      setSeconds(null);
      const type = made.mimeType.split(';')[0] ?? '';
      onRecorded(new File(parts, 'recording', { type }));
    };
    recorder.current = made;
    made.start();
    setSeconds(0);
  };
  return { seconds, toggle };
}
