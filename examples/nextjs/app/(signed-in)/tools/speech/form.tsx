'use client';

import { useMutation, useQueries, useQuery, useQueryClient } from '@tanstack/react-query';
import type { Estimate, Service, Voice } from 'kingcong';
import Link from 'next/link';
import { useRef, useState, type ChangeEvent } from 'react';
import { Controller, useForm, useWatch } from 'react-hook-form';

import type { WatchedJob } from '@/components/job-progress';
import { useLanguage, useWords } from '@/components/language';
import { STATUS_KEY, useStatus } from '@/components/status-bar';
import { ServiceSelect } from '@/components/service-select';
import { Alert } from '@/components/ui/alert';
import { Button } from '@/components/ui/button';
import { Card } from '@/components/ui/card';
import { Field, Input, Label, Select, Textarea } from '@/components/ui/field';
import { Slider } from '@/components/ui/slider';
import { Switch } from '@/components/ui/switch';
import { useDebounced } from '@/components/use-debounced';
import { ApiError, ask } from '@/lib/api';
import { amountText } from '@/lib/format';
import { NewSpeech, TEXT_LENGTH_MAX } from '@/lib/requests';
import type { Wire } from '@/lib/wire';
import type { VoiceView } from '@/server/views';

/** How long nothing is typed before the price is asked for. */
const SETTLED_MS = 300;
/** Largest text file: no character takes more bytes. */
const FILE_BYTES_MAX = TEXT_LENGTH_MAX * 3;

/** Into how many tasks a text may be cut. */
const PIECES = [5, 10, 20, 50];

/** The form as it is filled in; a voice is `service:ID` or `user:ID`. */
export interface Draft {
  readonly service: string;
  readonly voice: string;
  readonly text: string;
  readonly speed: number;
  /** Empty for as few as possible. */
  readonly pieces: string;
  readonly hasSubtitles: boolean;
}

/** What is asked for, when the form is filled in. */
function askedBy({ service, voice: chosen, text, speed, pieces, hasSubtitles }: Draft): NewSpeech | null {
  const [, from, voice] = /^(service|user):(.*)$/.exec(chosen) ?? [];
  const asked = {
    ...{ service, voice: { from, voice }, text, speed },
    subtitles: hasSubtitles ? 'srt' : 'no',
    pieces: pieces === '' ? undefined : Number(pieces),
  };
  return text.trim() === '' ? null : (NewSpeech.safeParse(asked).data ?? null);
}

interface Props {
  readonly services: readonly Service[];
  readonly initial: Pick<Draft, 'service' | 'voice'>;
  readonly onSubmitted: (job: string) => void;
}

/** What is to be spoken, by whom, and what it costs. */
export function SpeechForm({ services, initial, onSubmitted }: Props) {
  const words = useWords().speech;
  const language = useLanguage();
  const client = useQueryClient();
  const form = useForm<Draft>({ defaultValues: { ...initial, text: '', speed: 100, pieces: '', hasSubtitles: true } });
  const { errors } = form.formState;
  const draft = useWatch({ control: form.control }) as Draft;
  const { data: status } = useStatus();
  const refused = status?.services.find(({ service }) => service === draft.service)?.refused ?? null;

  // The same until it was taken: who presses twice, or again after a lost answer, buys once.
  const key = useRef<{ readonly asked: string; readonly key: string } | null>(null);
  const submit = useMutation({
    mutationFn: (asked: NewSpeech) => {
      const text = JSON.stringify(asked);
      if (key.current?.asked !== text) key.current = { asked: text, key: crypto.randomUUID() };
      const body = { ...asked, idempotencyKey: key.current.key };
      return ask<WatchedJob>('/api/speech', { method: 'POST', body });
    },
    meta: { isToldInPlace: true },
    onSuccess: ({ job }) => {
      key.current = null;
      onSubmitted(job.id);
      for (const queryKey of [STATUS_KEY, ['jobs'], ['estimate']]) void client.invalidateQueries({ queryKey });
    },
    // A refusal is remembered with its key; an answer that was lost may be a job.
    onError: (error) => {
      if (error instanceof ApiError && error.status < 500) key.current = null;
    },
  });

  return (
    <Card>
      <form
        className="flex flex-col gap-4"
        noValidate
        onSubmit={form.handleSubmit((values) => {
          const asked = askedBy(values);
          if (asked !== null) submit.mutate(asked);
        })}
      >
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label={words.service}>
            {(control) => (
              <ServiceSelect
                services={services}
                {...control}
                {...form.register('service', { onChange: () => form.setValue('voice', '') })}
              />
            )}
          </Field>
          <Controller
            name="voice"
            control={form.control}
            rules={{ required: true }}
            render={({ field }) => (
              <Voices
                service={draft.service}
                value={field.value}
                onChange={field.onChange}
                error={errors.voice && words.noVoice}
              />
            )}
          />
        </div>
        <Field
          label={words.text}
          hint={words.textHint(amountText(TEXT_LENGTH_MAX, language))}
          error={errors.text && words.noText}
        >
          {(control) => (
            <Textarea
              {...control}
              maxLength={TEXT_LENGTH_MAX}
              {...form.register('text', { validate: (text) => text.trim() !== '' })}
            />
          )}
        </Field>
        <TextFile onText={(text) => form.setValue('text', text, { shouldValidate: true, shouldDirty: true })} />
        <div className="grid gap-4 sm:grid-cols-3">
          <Field label={words.pieces} hint={words.piecesHint}>
            {(control) => (
              <Select {...control} {...form.register('pieces')}>
                <option value="">{words.piecesAuto}</option>
                {PIECES.map((pieces) => (
                  <option key={pieces} value={pieces}>
                    {pieces}
                  </option>
                ))}
              </Select>
            )}
          </Field>
          <Controller
            name="speed"
            control={form.control}
            render={({ field }) => (
              <div className="flex flex-col gap-1.5">
                <span className="text-sm font-medium">{words.speed(field.value)}</span>
                <Slider
                  thumbLabel={words.speed(field.value)}
                  min={50}
                  max={200}
                  step={5}
                  value={[field.value]}
                  onValueChange={([speed]) => field.onChange(speed)}
                />
              </div>
            )}
          />
          <Controller
            name="hasSubtitles"
            control={form.control}
            render={({ field }) => (
              <div className="flex items-center gap-3">
                <Switch id="subtitles" checked={field.value} onCheckedChange={field.onChange} />
                <Label htmlFor="subtitles">{words.subtitles}</Label>
              </div>
            )}
          />
        </div>
        <Price draft={draft} />
        {refused !== null && <Alert variant="warning">{refused}</Alert>}
        {submit.error && <Alert variant="bad">{submit.error.message}</Alert>}
        <Button type="submit" className="w-full sm:w-fit" disabled={submit.isPending}>
          {words.submit}
        </Button>
      </form>
    </Card>
  );
}

interface VoicesProps {
  readonly service: string;
  readonly value: string;
  readonly onChange: (voice: string) => void;
  readonly error: string | undefined;
}

/** The voices of a service, and those that the user cloned there. */
function Voices({ service, value, onChange, error }: VoicesProps) {
  const words = useWords().speech;
  const [offered, cloned] = useQueries({
    queries: [
      {
        queryKey: ['voices', service],
        queryFn: () => ask<Wire<Voice>[]>(`/api/voices?service=${encodeURIComponent(service)}`),
      },
      { queryKey: ['voices', 'cloned'], queryFn: () => ask<Wire<VoiceView>[]>('/api/voices/cloned') },
    ],
  });
  const own = cloned.data?.filter((voice) => voice.service === service) ?? [];
  const failed = offered.error?.message ?? cloned.error?.message;
  return (
    <Field label={words.voice} error={error ?? failed}>
      {(control) => (
        <Select {...control} value={value} onChange={(event) => onChange(event.target.value)}>
          <option value="" disabled>
            {offered.data?.length === 0 ? words.noVoices : words.noVoice}
          </option>
          {own.length > 0 && (
            <optgroup label={words.ownVoices}>
              {own.map(({ id, name }) => (
                <option key={id} value={`user:${id}`}>
                  {name}
                </option>
              ))}
            </optgroup>
          )}
          {offered.data?.map(({ voice, name, language }) => (
            <option key={voice} value={`service:${voice}`}>
              {language === null ? name : `${name} (${language})`}
            </option>
          ))}
        </Select>
      )}
    </Field>
  );
}

/** A text file in place of typing. */
function TextFile({ onText }: { readonly onText: (text: string) => void }) {
  const words = useWords().speech;
  const [error, setError] = useState<string>();
  const read = async ({ target }: ChangeEvent<HTMLInputElement>) => {
    const file = target.files?.[0];
    if (file === undefined) return;
    setError(undefined);
    if (file.size > FILE_BYTES_MAX) return setError(words.fileTooLarge);
    try {
      const text = new TextDecoder('utf-8', { fatal: true }).decode(await file.arrayBuffer());
      if (text.length > TEXT_LENGTH_MAX) return setError(words.fileTooLarge);
      onText(text);
    } catch {
      setError(words.fileNotText);
    }
  };
  return (
    <Field label={words.file} error={error}>
      {(control) => <Input {...control} type="file" accept=".txt,.md,text/plain" className="py-2" onChange={read} />}
    </Field>
  );
}

/** What the text would cost, a moment after it was typed. */
function Price({ draft }: { readonly draft: Draft }) {
  const words = useWords().speech;
  const language = useLanguage();
  const asked = askedBy(useDebounced(draft, SETTLED_MS));
  const { data: estimate, error } = useQuery({
    queryKey: ['estimate', asked],
    queryFn: () => ask<Wire<Estimate>>('/api/speech/estimate', { method: 'POST', body: asked }),
    enabled: asked !== null,
    retry: false,
    // The key has the whole text: what is not shown is not kept.
    gcTime: 0,
    // What is shown stays until the next price is known.
    placeholderData: (last) => (asked === null ? undefined : last),
  });
  return (
    <div aria-live="polite" className="bg-secondary flex flex-wrap items-center gap-x-4 gap-y-1 rounded-md px-4 py-3">
      <span className="text-sm font-medium">{words.price}</span>
      {estimate === undefined || error !== null ? (
        <span className="text-sm">
          {error?.message ?? words.count(amountText([...draft.text].length, language), '–')}
        </span>
      ) : (
        <>
          <span className="text-sm" data-testid="count">
            {words.count(amountText(estimate.characters, language), amountText(estimate.tasks, language))}
          </span>
          <strong data-testid="price">{words.cost(amountText(estimate.held, language))}</strong>
          {!estimate.isSufficient && (
            <span className="text-destructive flex flex-wrap items-center gap-2 text-sm">
              {words.insufficient(amountText(missing(estimate), language))}
              <Link href="/tools/credits" className="font-medium underline">
                {words.buyMore}
              </Link>
            </span>
          )}
        </>
      )}
    </div>
  );
}

/** Credits are whole numbers. */
function missing({ held, available }: Wire<Estimate>): string {
  return String(BigInt(held) - BigInt(available));
}
