import type { Metadata } from 'next';

import { Alert } from '@/components/ui/alert';
import { CardDescription } from '@/components/ui/card';
import { WORDS } from '@/lib/words';
import { kingcong } from '@/server/kingcong';
import { language } from '@/server/language';
import { visitor } from '@/server/session';

import { Packages } from './packages';

export async function generateMetadata(): Promise<Metadata> {
  return { title: WORDS[await language()].credits.title };
}

interface Props {
  readonly searchParams: Promise<{ readonly payment?: string }>;
}

export default async function BuyCredits({ searchParams }: Props) {
  await visitor();
  const words = WORDS[await language()].credits;
  const { payment } = await searchParams;
  const packages = (await (await kingcong()).packages.list()).filter((offered) => offered.switch === 'on');
  return (
    <>
      <h2 className="text-xl font-semibold">{words.title}</h2>
      <CardDescription>{words.description}</CardDescription>
      {payment === 'paid' && <Alert>{words.paid}</Alert>}
      {payment === 'failed' && <Alert variant="bad">{words.unpaid}</Alert>}
      <Packages packages={packages} />
    </>
  );
}
