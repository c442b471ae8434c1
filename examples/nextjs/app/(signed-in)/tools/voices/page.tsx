import type { Metadata } from 'next';

import { CardDescription } from '@/components/ui/card';
import { WORDS } from '@/lib/words';
import { kingcong } from '@/server/kingcong';
import { language } from '@/server/language';
import { visitor } from '@/server/session';

import { Voices } from './voices';

export async function generateMetadata(): Promise<Metadata> {
  return { title: WORDS[await language()].voices.title };
}

export default async function VoiceCloning() {
  await visitor();
  const words = WORDS[await language()].voices;
  const kc = await kingcong();
  const [{ services }, prices] = await Promise.all([kc.config.get(), kc.prices.list()]);
  // What has no price that is on is not sold.
  const sold = prices
    .filter((price) => price.operation === 'clone_voice' && price.switch === 'on')
    .map(({ service }) => service);
  return (
    <>
      <h2 className="text-xl font-semibold">{words.title}</h2>
      <CardDescription>{words.description}</CardDescription>
      <Voices services={services} cloning={services.filter(({ id }) => sold.includes(id))} />
    </>
  );
}
