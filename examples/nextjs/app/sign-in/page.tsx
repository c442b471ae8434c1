import { redirect } from 'next/navigation';

import { LanguageChoice } from '@/components/language';
import { ThemeChoice } from '@/components/theme-choice';
import { Card } from '@/components/ui/card';
import { WORDS } from '@/lib/words';
import { language } from '@/server/language';
import { signedIn } from '@/server/session';

import { SignInForm } from './form';

export default async function SignIn() {
  if ((await signedIn()) !== null) redirect('/');
  const words = WORDS[await language()];
  return (
    <main className="mx-auto flex min-h-dvh w-full max-w-sm flex-col justify-center gap-4 p-4">
      <p className="text-muted-foreground text-sm">{words.title}</p>
      <Card>
        <h1 className="text-2xl font-semibold">{words.signIn.title}</h1>
        <SignInForm />
      </Card>
      <div className="flex items-center justify-between">
        <LanguageChoice />
        <ThemeChoice />
      </div>
    </main>
  );
}
