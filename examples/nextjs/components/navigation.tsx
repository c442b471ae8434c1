'use client';

import Link from 'next/link';
import { usePathname } from 'next/navigation';

import { cn } from '@/lib/class-names';

export interface Target {
  readonly href: string;
  readonly label: string;
}

interface Props {
  readonly label: string;
  readonly targets: readonly Target[];
  /** Pages stand above what they hold; tabs part one page. */
  readonly look: 'pages' | 'tabs';
}

/** Links to pages, of which one is shown. */
export function Navigation({ label, targets, look }: Props) {
  const path = usePathname();
  return (
    <nav aria-label={label} className="max-w-full">
      <ul className={cn('flex flex-wrap gap-1', look === 'tabs' && 'bg-secondary w-fit rounded-lg p-1')}>
        {targets.map(({ href, label: name }) => {
          const isShown = path === href || path.startsWith(`${href}/`);
          return (
            <li key={href}>
              <Link
                href={href}
                aria-current={isShown ? 'page' : undefined}
                className={cn(
                  'focus-visible:ring-ring/60 flex h-10 items-center rounded-md px-3 text-sm font-medium whitespace-nowrap outline-none focus-visible:ring-[3px]',
                  look === 'tabs' ? 'aria-[current=page]:bg-card' : 'aria-[current=page]:bg-accent',
                  !isShown && 'text-muted-foreground hover:text-foreground',
                )}
              >
                {name}
              </Link>
            </li>
          );
        })}
      </ul>
    </nav>
  );
}
