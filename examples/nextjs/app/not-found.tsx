import Link from 'next/link';

import { Button } from '@/components/ui/button';
import { WORDS } from '@/lib/words';
import { language } from '@/server/language';

export default async function NotFound() {
  const words = WORDS[await language()];
  return (
    <main className="mx-auto flex max-w-lg flex-col items-start gap-4 p-6">
      <h1 className="text-2xl font-semibold">{words.notFound}</h1>
      <Button asChild>
        <Link href="/">{words.home}</Link>
      </Button>
    </main>
  );
}
