import type { Metadata, Viewport } from 'next';
import type { ReactNode } from 'react';

import { Providers } from '@/components/providers';
import { WORDS } from '@/lib/words';
import { language } from '@/server/language';

import './globals.css';

export const metadata: Metadata = {
  title: { default: WORDS.vi.title, template: `%s · ${WORDS.vi.title}` },
  robots: { index: false },
};
export const viewport: Viewport = { width: 'device-width', initialScale: 1, colorScheme: 'light dark' };

export default async function RootLayout({ children }: { readonly children: ReactNode }) {
  const tongue = await language();
  return (
    // The theme's class is there before React is.
    <html lang={tongue} suppressHydrationWarning>
      <body>
        <Providers language={tongue}>{children}</Providers>
      </body>
    </html>
  );
}
