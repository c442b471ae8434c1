'use client';

import { zodResolver } from '@hookform/resolvers/zod';
import type { Credited } from 'kingcong';
import { useState } from 'react';
import { useForm } from 'react-hook-form';

import { useLanguage, useWords } from '@/components/language';
import { Button } from '@/components/ui/button';
import { Dialog, DialogContent, DialogTrigger } from '@/components/ui/dialog';
import { Field, Input } from '@/components/ui/field';
import { ask } from '@/lib/api';
import { amountText } from '@/lib/format';
import { NewAdjustment, REASON_LENGTH_MAX, type SubmittedAdjustment } from '@/lib/requests-admin';
import type { UserView } from '@/server/views-admin';

import { useChange } from '../queries';

export function Adjust({ user }: { readonly user: UserView }) {
  const words = useWords();
  const { adjust, adjustLabel, adjustHint } = words.admin.users;
  const [isOpen, setIsOpen] = useState(false);
  return (
    <Dialog open={isOpen} onOpenChange={setIsOpen}>
      <DialogTrigger asChild>
        <Button size="sm" variant="outline" aria-label={adjustLabel(user.name)}>
          {adjust}
        </Button>
      </DialogTrigger>
      <DialogContent title={adjustLabel(user.name)} description={adjustHint} closeLabel={words.close}>
        <AdjustForm user={user.id} onAdjusted={() => setIsOpen(false)} />
      </DialogContent>
    </Dialog>
  );
}

function AdjustForm({ user, onAdjusted }: { readonly user: string; readonly onAdjusted: () => void }) {
  const words = useWords().admin.users;
  const language = useLanguage();
  // Of this dialog: however often it is sent, it is done once.
  const [idempotencyKey] = useState(() => crypto.randomUUID());
  const form = useForm({ resolver: zodResolver(NewAdjustment), defaultValues: { change: '', reason: '' } });
  const { errors } = form.formState;
  const adjust = useChange(
    (body: SubmittedAdjustment) =>
      ask<Credited>(`/api/admin/users/${encodeURIComponent(user)}/adjustments`, { method: 'POST', body }),
    ({ balanceAfter }) => words.adjusted(amountText(balanceAfter, language)),
  );
  const send = form.handleSubmit((values) => adjust.mutate({ ...values, idempotencyKey }, { onSuccess: onAdjusted }));
  return (
    <form className="flex flex-col gap-4" noValidate onSubmit={send}>
      <Field label={words.change} error={errors.change && words.noChange}>
        {(control) => <Input {...control} placeholder="-500" autoComplete="off" {...form.register('change')} />}
      </Field>
      <Field label={words.reason} error={errors.reason && words.noReason(REASON_LENGTH_MAX)}>
        {(control) => <Input {...control} autoComplete="off" {...form.register('reason')} />}
      </Field>
      <Button type="submit" disabled={adjust.isPending}>
        {words.adjustNow}
      </Button>
    </form>
  );
}
