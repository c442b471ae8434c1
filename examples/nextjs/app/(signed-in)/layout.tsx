import type { ReactNode } from 'react';

import { LanguageChoice } from '@/components/language';
import { Navigation, type Target } from '@/components/navigation';
import { SignOut } from '@/components/sign-out';
import { StatusBar } from '@/components/status-bar';
import { ThemeChoice } from '@/components/theme-choice';
import { WORDS } from '@/lib/words';
import { kingcong } from '@/server/kingcong';
import { language } from '@/server/language';
import { visitor } from '@/server/session';
import { statusOf } from '@/server/status';

export default async function SignedInLayout({ children }: { readonly children: ReactNode }) {
  const [user, tongue] = await Promise.all([visitor(), language()]);
  const words = WORDS[tongue];
  const status = await statusOf(await kingcong(), user, tongue);
  const targets: Target[] = [
    { href: '/tools', label: words.nav.tools },
    { href: '/history', label: words.nav.history },
  ];
  if (user.role !== 'member') targets.push({ href: '/admin', label: words.nav.admin });
  return (
    <>
      <a
        href="#main"
        className="bg-primary text-primary-foreground sr-only z-50 rounded-md p-3 focus:not-sr-only focus:absolute focus:m-2"
      >
        {words.skip}
      </a>
      <header className="bg-card border-b">
        <div className="mx-auto flex max-w-6xl flex-wrap items-center justify-between gap-x-4 gap-y-1 px-4 py-2">
          <Navigation label={words.nav.label} targets={targets} look="pages" />
          <div className="flex items-center gap-1">
            <span className="text-muted-foreground max-w-32 truncate px-2 text-sm">{user.name}</span>
            <LanguageChoice />
            <ThemeChoice />
            <SignOut />
          </div>
        </div>
      </header>
      <div className="mx-auto flex max-w-6xl flex-col gap-4 p-4">
        <StatusBar initial={status} />
        <main id="main" tabIndex={-1} className="flex flex-col gap-4 outline-none">
          {children}
        </main>
      </div>
    </>
  );
}
