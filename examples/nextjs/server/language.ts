import 'server-only';

import { cookies, headers } from 'next/headers';

import { LANGUAGE_COOKIE, type Language } from '@/lib/words';

/** The language of whoever asks: as they chose, else as their browser does; Vietnamese when neither says. */
export async function language(): Promise<Language> {
  const chosen = (await cookies()).get(LANGUAGE_COOKIE)?.value;
  if (chosen === 'vi' || chosen === 'en') return chosen;
  const accepted = (await headers()).get('accept-language')?.slice(0, 2);
  return accepted === 'en' ? 'en' : 'vi';
}
