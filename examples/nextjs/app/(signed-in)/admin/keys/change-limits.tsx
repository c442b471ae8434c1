'use client';

import { zodResolver } from '@hookform/resolvers/zod';
import type { Limits } from 'kingcong';
import { useState } from 'react';
import { FormProvider, useForm } from 'react-hook-form';

import { useWords } from '@/components/language';
import { Button } from '@/components/ui/button';
import { Dialog, DialogContent, DialogTrigger } from '@/components/ui/dialog';
import { ask } from '@/lib/api';
import { KeyLimits, type KeyChange } from '@/lib/requests-admin';

import { useChange } from '../queries';
import { LimitFields } from './limit-fields';

interface Props {
  readonly id: string;
  readonly name: string;
  readonly defaults: Limits | undefined;
}

export function ChangeLimits(props: Props) {
  const words = useWords();
  const { limits, limitsLabel, limitsHint } = words.admin.keys;
  const [isOpen, setIsOpen] = useState(false);
  return (
    <Dialog open={isOpen} onOpenChange={setIsOpen}>
      <DialogTrigger asChild>
        <Button size="sm" variant="outline" aria-label={limitsLabel(props.name)}>
          {limits}
        </Button>
      </DialogTrigger>
      <DialogContent title={limits} description={limitsHint(props.name)} closeLabel={words.close}>
        <LimitsForm {...props} onChanged={() => setIsOpen(false)} />
      </DialogContent>
    </Dialog>
  );
}

function LimitsForm({ id, defaults, onChanged }: Props & { readonly onChanged: () => void }) {
  const words = useWords().admin;
  const form = useForm({ resolver: zodResolver(KeyLimits) });
  const change = useChange(
    (limits: KeyLimits) => {
      const body: KeyChange = { limits };
      return ask(`/api/admin/keys/${id}`, { method: 'PATCH', body });
    },
    () => words.saved,
  );
  const send = form.handleSubmit((values) => change.mutate(values, { onSuccess: onChanged }));
  return (
    <FormProvider {...form}>
      <form className="flex flex-col gap-4" noValidate onSubmit={send}>
        <LimitFields defaults={defaults} />
        <Button type="submit" disabled={change.isPending}>
          {words.keys.saveLimits}
        </Button>
      </form>
    </FormProvider>
  );
}
