'use client';

import { Progress as ProgressPrimitive } from 'radix-ui';
import type { ComponentProps } from 'react';

import { cn } from '@/lib/class-names';

interface Props extends Omit<ComponentProps<typeof ProgressPrimitive.Root>, 'value'> {
  /** From 0 to 100. */
  readonly value: number;
}

export function Progress({ className, value, ...props }: Props) {
  return (
    <ProgressPrimitive.Root
      className={cn('bg-secondary relative h-2 w-full overflow-hidden rounded-full', className)}
      value={value}
      {...props}
    >
      <ProgressPrimitive.Indicator
        className="bg-primary h-full w-full transition-transform"
        style={{ transform: `translateX(-${100 - value}%)` }}
      />
    </ProgressPrimitive.Root>
  );
}
