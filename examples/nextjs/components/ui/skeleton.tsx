import { cn } from '@/lib/class-names';

/** Stands where something is being loaded. */
export function Skeleton({ className }: { readonly className?: string }) {
  return <div aria-hidden className={cn('bg-secondary animate-pulse rounded-md', className)} />;
}
