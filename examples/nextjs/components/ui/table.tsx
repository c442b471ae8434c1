import type { ComponentProps } from 'react';

import { cn } from '@/lib/class-names';

interface TableProps extends ComponentProps<'table'> {
  /** What the table shows, for those who do not see it. */
  readonly caption: string;
}

/** A table that scrolls sideways where the screen is narrow. */
export function Table({ className, caption, children, ...props }: TableProps) {
  return (
    // Who has no mouse scrolls it by the keyboard, and so must get there.
    <div role="region" aria-label={caption} tabIndex={0} className="relative w-full overflow-x-auto rounded-md">
      <table className={cn('w-full text-sm', className)} {...props}>
        <caption className="sr-only">{caption}</caption>
        {children}
      </table>
    </div>
  );
}

export function TableRow({ className, ...props }: ComponentProps<'tr'>) {
  return <tr className={cn('border-b last:border-0', className)} {...props} />;
}

export function TableHead({ className, ...props }: ComponentProps<'th'>) {
  return (
    <th
      scope="col"
      className={cn('text-muted-foreground h-10 px-2 text-left font-medium whitespace-nowrap', className)}
      {...props}
    />
  );
}

export function TableCell({ className, ...props }: ComponentProps<'td'>) {
  return <td className={cn('px-2 py-2 align-middle', className)} {...props} />;
}
