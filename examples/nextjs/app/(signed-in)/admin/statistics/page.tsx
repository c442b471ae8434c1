import type { Metadata } from 'next';

import { WORDS } from '@/lib/words';
import { language } from '@/server/language';
import { administrator } from '@/server/session';

import { Statistics } from './statistics';

export async function generateMetadata(): Promise<Metadata> {
  return { title: WORDS[await language()].admin.tabs.statistics };
}

export default async function StatisticsPage() {
  await administrator();
  return <Statistics />;
}
