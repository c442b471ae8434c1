'use client';

import { zodResolver } from '@hookform/resolvers/zod';
import type { Key } from 'kingcong';
import { PlusIcon } from 'lucide-react';
import { useState, type ChangeEvent } from 'react';
import { FormProvider, useForm } from 'react-hook-form';

import { useWords } from '@/components/language';
import { ServiceSelect } from '@/components/service-select';
import { Button } from '@/components/ui/button';
import { Dialog, DialogContent, DialogTrigger } from '@/components/ui/dialog';
import { Field, Input, Select } from '@/components/ui/field';
import { ask } from '@/lib/api';
import { idText } from '@/lib/format';
import { keyText } from '@/lib/format-admin';
import { NewKey } from '@/lib/requests-admin';
import type { Wire } from '@/lib/wire';
import type { SystemView } from '@/server/system';

import { useChange } from '../queries';
import { LimitFields } from './limit-fields';

export function AddKey({ system }: { readonly system: SystemView }) {
  const words = useWords();
  const { add, addHint } = words.admin.keys;
  const [isOpen, setIsOpen] = useState(false);
  return (
    <Dialog open={isOpen} onOpenChange={setIsOpen}>
      <DialogTrigger asChild>
        <Button>
          <PlusIcon />
          {add}
        </Button>
      </DialogTrigger>
      <DialogContent title={add} description={addHint} closeLabel={words.close}>
        <AddKeyForm system={system} onAdded={() => setIsOpen(false)} />
      </DialogContent>
    </Dialog>
  );
}

interface Props {
  readonly system: SystemView;
  readonly onAdded: () => void;
}

/** It is gone when its dialog is closed, and the secret with it. */
function AddKeyForm({ system, onAdded }: Props) {
  const words = useWords().admin.keys;
  const { servers, services, routes } = system;
  const soldOn = (server: string) =>
    services.filter(({ id }) => routes.some((route) => route.server === server && route.service === id));
  const form = useForm({
    resolver: zodResolver(NewKey),
    defaultValues: {
      server: routes[0]?.server ?? '',
      service: routes[0]?.service ?? '',
      secret: '',
      label: '',
      account: '',
    },
  });
  const { errors } = form.formState;
  const server = form.watch('server');
  const add = useChange(
    (body: NewKey) => ask<Wire<Key>>('/api/admin/keys', { method: 'POST', body }),
    (key) => words.added(keyText(key)),
  );
  /** A service that the server does not sell gives way to one that it sells. */
  function keepSold(server: string) {
    const sold = soldOn(server);
    const isSold = sold.some(({ id }) => id === form.getValues('service'));
    if (!isSold) form.setValue('service', sold[0]?.id ?? '');
  }
  const send = form.handleSubmit((values) => add.mutate(values, { onSuccess: onAdded }));
  return (
    <FormProvider {...form}>
      <form className="flex flex-col gap-4" autoComplete="off" noValidate onSubmit={send}>
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label={words.server}>
            {(control) => (
              <Select
                {...control}
                {...form.register('server', {
                  onChange: ({ target }: ChangeEvent<HTMLSelectElement>) => keepSold(target.value),
                })}
              >
                {servers.map(({ id }) => (
                  <option key={id} value={id}>
                    {idText(id)}
                  </option>
                ))}
              </Select>
            )}
          </Field>
          <Field label={words.service}>
            {(control) => (
              // Made anew for each server: it has other options then.
              <ServiceSelect key={server} services={soldOn(server)} {...control} {...form.register('service')} />
            )}
          </Field>
        </div>
        <Field label={words.secret} error={errors.secret && words.noSecret}>
          {(control) => (
            <Input {...control} type="password" autoComplete="off" spellCheck={false} {...form.register('secret')} />
          )}
        </Field>
        <Field label={words.label} error={errors.label && words.tooLong}>
          {(control) => <Input {...control} {...form.register('label')} />}
        </Field>
        <Field label={words.account} hint={words.accountHint} error={errors.account && words.tooLong}>
          {(control) => <Input {...control} {...form.register('account')} />}
        </Field>
        <LimitFields defaults={servers.find(({ id }) => id === server)?.limits} />
        <Button type="submit" disabled={add.isPending}>
          {words.add}
        </Button>
      </form>
    </FormProvider>
  );
}
