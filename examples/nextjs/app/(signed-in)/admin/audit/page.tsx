import type { Metadata } from 'next';

import { WORDS } from '@/lib/words';
import { language } from '@/server/language';
import { administrator } from '@/server/session';

import { Audit } from './audit';

export async function generateMetadata(): Promise<Metadata> {
  return { title: WORDS[await language()].admin.tabs.audit };
}

export default async function AuditPage() {
  await administrator();
  return <Audit />;
}
