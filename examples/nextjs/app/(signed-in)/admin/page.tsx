import { redirect } from 'next/navigation';

import { administrator } from '@/server/session';

export default async function Admin() {
  await administrator();
  redirect('/admin/system');
}
