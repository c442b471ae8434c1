import type { ReactNode } from 'react';

import { Navigation } from '@/components/navigation';
import { WORDS } from '@/lib/words';
import { language } from '@/server/language';
import { administrator } from '@/server/session';

const PAGES = ['system', 'keys', 'statistics', 'errors', 'users', 'audit'] as const;

export default async function AdminLayout({ children }: { readonly children: ReactNode }) {
  await administrator();
  const words = WORDS[await language()].admin;
  const targets = PAGES.map((page) => ({ href: `/admin/${page}`, label: words.tabs[page] }));
  return (
    <>
      <h1 className="text-2xl font-semibold">{words.title}</h1>
      <Navigation label={words.tabs.label} targets={targets} look="tabs" />
      {children}
    </>
  );
}
