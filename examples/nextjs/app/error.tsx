'use client';

import { useWords } from '@/components/language';
import { Button } from '@/components/ui/button';

export default function Failed({ reset }: { readonly reset: () => void }) {
  const words = useWords();
  return (
    <main className="mx-auto flex max-w-lg flex-col items-start gap-4 p-6">
      <h1 className="text-2xl font-semibold">{words.failed}</h1>
      <Button onClick={reset}>{words.retry}</Button>
    </main>
  );
}
