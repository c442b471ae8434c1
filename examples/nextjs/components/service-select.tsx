'use client';

import type { Service } from 'kingcong';
import type { ComponentProps } from 'react';

import { Select } from './ui/field';

interface Props extends ComponentProps<'select'> {
  readonly services: readonly Service[];
}

/** One of these services, by its name. */
export function ServiceSelect({ services, ...props }: Props) {
  return (
    <Select {...props}>
      {services.map(({ id, name }) => (
        <option key={id} value={id}>
          {name}
        </option>
      ))}
    </Select>
  );
}
