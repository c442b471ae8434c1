'use client';

import { MutationCache, QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { ThemeProvider, useTheme } from 'next-themes';
import { useState, type ReactNode } from 'react';
import { Toaster, toast } from 'sonner';

import { ApiError } from '@/lib/api';
import type { Language } from '@/lib/words';

import { LanguageProvider, useWords } from './language';

const FRESH_MS = 2_000;

function queryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: FRESH_MS,
        // What was refused is refused again.
        retry: (times, error) => times < 2 && !(error instanceof ApiError && error.status < 500),
      },
    },
    mutationCache: new MutationCache({
      onError: (error, _variables, _context, mutation) => {
        if (mutation.meta?.['isToldInPlace'] !== true) toast.error(error.message);
      },
    }),
  });
}

function Toasts() {
  const words = useWords();
  const { resolvedTheme } = useTheme();
  return (
    <Toaster
      theme={resolvedTheme === 'dark' ? 'dark' : 'light'}
      position="bottom-right"
      richColors
      closeButton
      containerAriaLabel={words.told}
      toastOptions={{ closeButtonAriaLabel: words.close }}
    />
  );
}

export function Providers({ language, children }: { readonly language: Language; readonly children: ReactNode }) {
  const [client] = useState(queryClient);
  return (
    <ThemeProvider attribute="class" defaultTheme="system" enableSystem disableTransitionOnChange>
      <LanguageProvider language={language}>
        <QueryClientProvider client={client}>{children}</QueryClientProvider>
        <Toasts />
      </LanguageProvider>
    </ThemeProvider>
  );
}
