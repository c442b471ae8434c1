import type { Metadata } from 'next';

import { WORDS } from '@/lib/words';
import { language } from '@/server/language';
import { administrator } from '@/server/session';

import { Errors } from './errors';

export async function generateMetadata(): Promise<Metadata> {
  return { title: WORDS[await language()].admin.tabs.errors };
}

export default async function ErrorsPage() {
  await administrator();
  return <Errors />;
}
