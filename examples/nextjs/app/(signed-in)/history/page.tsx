import type { Metadata } from 'next';

import { WORDS } from '@/lib/words';
import { language } from '@/server/language';
import { visitor } from '@/server/session';

import { Transactions } from './transactions';

export async function generateMetadata(): Promise<Metadata> {
  return { title: WORDS[await language()].history.title };
}

export default async function History() {
  await visitor();
  return (
    <>
      <h1 className="text-2xl font-semibold">{WORDS[await language()].history.title}</h1>
      <Transactions />
    </>
  );
}
