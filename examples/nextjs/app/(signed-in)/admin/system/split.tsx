'use client';

import { useState } from 'react';

import { useLanguage, useWords } from '@/components/language';
import { Button } from '@/components/ui/button';
import { Card, CardDescription, CardTitle } from '@/components/ui/card';
import { Field, Input } from '@/components/ui/field';
import { Slider } from '@/components/ui/slider';
import { ask } from '@/lib/api';
import { idText } from '@/lib/format';
import { percentText } from '@/lib/format-admin';
import { WEIGHT_MAX, Weights } from '@/lib/requests-admin';
import { sharesOf } from '@/lib/shares';
import type { SystemView } from '@/server/system';

import { useChange } from '../queries';
import { SplitTable } from '../split-table';

/** In what ratio the servers share the work, and in what ratio they did. */
export function Split({ system }: { readonly system: SystemView }) {
  const words = useWords().admin;
  const language = useLanguage();
  const [draft, setDraft] = useState<Weights | null>(null);
  const weights = draft ?? Object.fromEntries(system.servers.map(({ id, weight }) => [id, weight]));
  const save = useChange(
    (body: Weights) => ask('/api/admin/weights', { method: 'PUT', body }),
    () => words.saved,
  );
  const shares = sharesOf(weights);
  const isLegal = Weights.safeParse(weights).success;
  return (
    <Card aria-label={words.system.split}>
      <CardTitle>{words.system.split}</CardTitle>
      <output className="text-lg font-semibold tabular-nums" data-testid="split">
        {shares.map(({ server, percent }) => `${idText(server)} ${percentText(percent, language)}`).join(' : ')}
      </output>
      <Choice weights={weights} isDisabled={save.isPending} onChange={setDraft} />
      <CardDescription aria-live="polite">{isLegal ? words.system.splitHint : words.system.noWeights}</CardDescription>
      <Button
        className="self-start"
        disabled={draft === null || !isLegal || save.isPending}
        onClick={() => save.mutate(weights, { onSuccess: () => setDraft(null) })}
      >
        {words.system.saveSplit}
      </Button>
      <h3 className="font-semibold">{words.system.achieved}</h3>
      <SplitTable split={system.split} />
      <CardDescription>{words.system.achievedHint}</CardDescription>
    </Card>
  );
}

interface ChoiceProps {
  readonly weights: Weights;
  readonly isDisabled: boolean;
  readonly onChange: (weights: Weights) => void;
}

/** Two servers share by a slider, more by their weights. */
function Choice({ weights, isDisabled, onChange }: ChoiceProps) {
  const words = useWords().admin.system;
  const servers = Object.keys(weights);
  const [first, second, third] = servers;
  if (first !== undefined && second !== undefined && third === undefined) {
    const [share] = sharesOf(weights);
    return (
      <Slider
        thumbLabel={words.share(idText(first))}
        min={0}
        max={100}
        step={1}
        value={[Math.round(share?.percent ?? 0)]}
        disabled={isDisabled}
        onValueChange={([percent = 0]) => onChange({ [first]: percent, [second]: 100 - percent })}
      />
    );
  }
  return (
    <div className="grid gap-3 sm:grid-cols-2">
      {servers.map((server) => (
        <Field key={server} label={words.weight(idText(server))}>
          {(control) => (
            <Input
              {...control}
              type="number"
              inputMode="numeric"
              min={0}
              max={WEIGHT_MAX}
              step={1}
              disabled={isDisabled}
              value={Number.isNaN(weights[server]) ? '' : weights[server]}
              onChange={({ target }) => onChange({ ...weights, [server]: target.valueAsNumber })}
            />
          )}
        </Field>
      ))}
    </div>
  );
}
