'use client';

import type { Limits } from 'kingcong';
import { useFormContext } from 'react-hook-form';

import { useWords } from '@/components/language';
import { Field, Input } from '@/components/ui/field';
import type { KeyLimits } from '@/lib/requests-admin';

/** A number as the form has it; none where the field is empty. */
const numberOf = (text: string | undefined) => (text === '' || text === undefined ? undefined : Number(text));

/** How many calls a key may have at once and in a minute, in a form that has these fields. */
export function LimitFields({ defaults }: { readonly defaults: Limits | undefined }) {
  const words = useWords().admin.keys;
  const { register, formState } = useFormContext<KeyLimits>();
  const { errors } = formState;
  return (
    <div className="grid gap-4 sm:grid-cols-2">
      {(['maxInFlight', 'perMinute'] as const).map((name) => (
        <Field
          key={name}
          label={words[name]}
          hint={words.optional(String(defaults?.[name] ?? '–'))}
          error={errors[name] && words.noLimit}
        >
          {(control) => (
            <Input {...control} inputMode="numeric" autoComplete="off" {...register(name, { setValueAs: numberOf })} />
          )}
        </Field>
      ))}
    </div>
  );
}
