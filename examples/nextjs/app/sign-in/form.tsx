'use client';

import { zodResolver } from '@hookform/resolvers/zod';
import { useMutation } from '@tanstack/react-query';
import { useForm } from 'react-hook-form';

import { useWords } from '@/components/language';
import { Alert } from '@/components/ui/alert';
import { Button } from '@/components/ui/button';
import { Field, Input } from '@/components/ui/field';
import { ask } from '@/lib/api';
import { SignIn } from '@/lib/requests';

export function SignInForm() {
  const words = useWords().signIn;
  const form = useForm({ resolver: zodResolver(SignIn), defaultValues: { name: '', password: '' } });
  const { errors } = form.formState;
  const signIn = useMutation({
    mutationFn: (body: SignIn) => ask('/api/session', { method: 'POST', body }),
    meta: { isToldInPlace: true },
    onSuccess: () => window.location.assign('/'),
  });
  return (
    <form className="flex flex-col gap-4" onSubmit={form.handleSubmit((values) => signIn.mutate(values))} noValidate>
      <Field label={words.name} error={errors.name && words.required}>
        {(control) => <Input {...control} maxLength={64} autoComplete="username" {...form.register('name')} />}
      </Field>
      <Field label={words.password} error={errors.password && words.required}>
        {(control) => (
          <Input
            {...control}
            maxLength={200}
            type="password"
            autoComplete="current-password"
            {...form.register('password')}
          />
        )}
      </Field>
      {signIn.error && <Alert variant="bad">{signIn.error.message}</Alert>}
      <Button type="submit" disabled={signIn.isPending || signIn.isSuccess}>
        {words.submit}
      </Button>
    </form>
  );
}
