import { notFound } from 'next/navigation';

import { Alert } from '@/components/ui/alert';
import { Button } from '@/components/ui/button';
import { Card, CardDescription } from '@/components/ui/card';
import { amountText, dollarText } from '@/lib/format';
import { WORDS } from '@/lib/words';
import { kingcong } from '@/server/kingcong';
import { language } from '@/server/language';
import { unseal } from '@/server/payments';
import { settings } from '@/server/settings';

interface Props {
  readonly searchParams: Promise<{ readonly payment?: string | string[] }>;
}

/** The page of the payment gateway, played. A real one stands elsewhere. */
export default async function Pay({ searchParams }: Props) {
  if (!settings.playsGateway) notFound();
  const tongue = await language();
  const words = WORDS[tongue].gateway;
  const { payment } = await searchParams;
  const order = typeof payment === 'string' ? unseal(payment) : null;
  const packages = await (await kingcong()).packages.list();
  const bought = packages.find(({ id }) => id === order?.package);
  return (
    <main className="mx-auto flex min-h-dvh w-full max-w-md flex-col justify-center gap-4 p-4">
      <Card>
        <h1 className="text-2xl font-semibold">{words.title}</h1>
        <CardDescription>{words.description}</CardDescription>
        {order === null ? (
          <Alert variant="bad">{words.invalid}</Alert>
        ) : (
          <form action="/api/test-gateway" method="post" className="flex flex-col gap-3">
            {bought !== undefined && (
              <p>
                {bought.label}: {words.credits(amountText(bought.credits, tongue))}
              </p>
            )}
            <input type="hidden" name="payment" value={payment} />
            <Button name="state" value="paid">
              {words.pay(dollarText(order.price, tongue))}
            </Button>
            <Button name="state" value="failed" variant="outline">
              {words.decline}
            </Button>
          </form>
        )}
      </Card>
    </main>
  );
}
