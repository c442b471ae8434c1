import type { Metadata } from 'next';

import { WORDS } from '@/lib/words';
import { language } from '@/server/language';
import { administrator } from '@/server/session';

import { Keys } from './keys';

export async function generateMetadata(): Promise<Metadata> {
  return { title: WORDS[await language()].admin.tabs.keys };
}

export default async function KeysPage() {
  await administrator();
  return <Keys />;
}
