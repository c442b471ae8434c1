'use client';

import { Slider as SliderPrimitive } from 'radix-ui';
import type { ComponentProps } from 'react';

import { cn } from '@/lib/class-names';

interface Props extends ComponentProps<typeof SliderPrimitive.Root> {
  /** What a screen reader says of the thumb. */
  readonly thumbLabel: string;
}

export function Slider({ className, thumbLabel, ...props }: Props) {
  return (
    <SliderPrimitive.Root
      className={cn('relative flex h-6 w-full touch-none items-center select-none', className)}
      {...props}
    >
      <SliderPrimitive.Track className="bg-secondary relative h-2 w-full grow overflow-hidden rounded-full">
        <SliderPrimitive.Range className="bg-primary absolute h-full" />
      </SliderPrimitive.Track>
      <SliderPrimitive.Thumb
        aria-label={thumbLabel}
        className="border-primary bg-card block size-5 rounded-full border-2 outline-none focus-visible:ring-[3px] focus-visible:ring-ring/60"
      />
    </SliderPrimitive.Root>
  );
}
