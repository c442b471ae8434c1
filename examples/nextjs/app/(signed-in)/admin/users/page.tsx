import type { Metadata } from 'next';

import { WORDS } from '@/lib/words';
import { language } from '@/server/language';
import { administrator } from '@/server/session';

import { Users } from './users';

export async function generateMetadata(): Promise<Metadata> {
  return { title: WORDS[await language()].admin.tabs.users };
}

export default async function UsersPage() {
  await administrator();
  return <Users />;
}
