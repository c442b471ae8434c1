import type { ReactNode } from 'react';

import { Navigation } from '@/components/navigation';
import { WORDS } from '@/lib/words';
import { language } from '@/server/language';

export default async function ToolsLayout({ children }: { readonly children: ReactNode }) {
  const words = WORDS[await language()];
  const targets = [
    { href: '/tools/credits', label: words.tabs.credits },
    { href: '/tools/speech', label: words.tabs.speech },
    { href: '/tools/voices', label: words.tabs.voices },
  ];
  return (
    <>
      <h1 className="text-2xl font-semibold">{words.title}</h1>
      <Navigation label={words.tabs.label} targets={targets} look="tabs" />
      {children}
    </>
  );
}
