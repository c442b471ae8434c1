'use client';

import { createContext, useContext, type ReactNode } from 'react';

import { LANGUAGES, LANGUAGE_COOKIE, WORDS, type Language, type Words } from '@/lib/words';

const Chosen = createContext<Language>('vi');
const YEAR_SECONDS = 365 * 24 * 60 * 60;

export function LanguageProvider({
  language,
  children,
}: {
  readonly language: Language;
  readonly children: ReactNode;
}) {
  return <Chosen value={language}>{children}</Chosen>;
}

export function useLanguage(): Language {
  return useContext(Chosen);
}

export function useWords(): Words {
  return WORDS[useLanguage()];
}

const NAMES: Readonly<Record<Language, string>> = { vi: 'Tiếng Việt', en: 'English' };

/** Chooses the language of the pages; what the server says comes in it too. */
export function LanguageChoice() {
  const words = useWords();
  const language = useLanguage();
  return (
    <select
      aria-label={words.language}
      value={language}
      onChange={(event) => {
        document.cookie = `${LANGUAGE_COOKIE}=${event.target.value}; path=/; max-age=${YEAR_SECONDS}; samesite=lax`;
        window.location.reload();
      }}
      className="border-input bg-card focus-visible:ring-ring/60 h-10 rounded-md border px-2 text-sm outline-none focus-visible:ring-[3px]"
    >
      {LANGUAGES.map((name) => (
        <option key={name} value={name} lang={name}>
          {NAMES[name]}
        </option>
      ))}
    </select>
  );
}
