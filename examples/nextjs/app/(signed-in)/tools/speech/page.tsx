import type { Metadata } from 'next';
import { z } from 'zod';

import { WORDS } from '@/lib/words';
import { kingcong } from '@/server/kingcong';
import { language } from '@/server/language';
import { visitor } from '@/server/session';

import { Speech } from './speech';

export async function generateMetadata(): Promise<Metadata> {
  return { title: WORDS[await language()].speech.title };
}

interface Props {
  /** A cloned voice and its service, to begin with. */
  readonly searchParams: Promise<{ readonly service?: string; readonly voice?: string }>;
}

export default async function TextToSpeech({ searchParams }: Props) {
  await visitor();
  const { service, voice } = await searchParams;
  const { services } = await (await kingcong()).config.get();
  const first = services.find(({ id }) => id === service) ?? services[0];
  return (
    <>
      <h2 className="text-xl font-semibold">{WORDS[await language()].speech.title}</h2>
      <Speech
        services={services}
        initial={{ service: first?.id ?? '', voice: z.uuid().safeParse(voice).success ? `user:${voice}` : '' }}
      />
    </>
  );
}
