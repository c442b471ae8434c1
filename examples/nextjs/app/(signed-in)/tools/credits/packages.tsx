'use client';

import { useMutation } from '@tanstack/react-query';
import type { Package } from 'kingcong';

import { useLanguage, useWords } from '@/components/language';
import { Badge } from '@/components/ui/badge';
import { Button } from '@/components/ui/button';
import { Card, CardTitle } from '@/components/ui/card';
import { ask } from '@/lib/api';
import { amountText, dollarText } from '@/lib/format';
import type { NewPayment } from '@/lib/requests';

/** How much more a package gives for its price than the cheapest, in whole percent. */
function bonusOf(offered: Package, all: readonly Package[]): number {
  const cheapest = all.reduce((a, b) => (Number(a.price) <= Number(b.price) ? a : b));
  const rate = ({ credits, price }: Package) => Number(credits) / Number(price);
  return Math.round((rate(offered) / rate(cheapest) - 1) * 100);
}

export function Packages({ packages }: { readonly packages: readonly Package[] }) {
  const words = useWords().credits;
  const language = useLanguage();
  const buy = useMutation({
    mutationFn: (id: string) => {
      const body: NewPayment = { package: id, idempotencyKey: crypto.randomUUID() };
      return ask<{ url: string }>('/api/payments', { method: 'POST', body });
    },
    onSuccess: ({ url }) => window.location.assign(url),
  });
  return (
    <ul className="grid gap-4 sm:grid-cols-2 lg:grid-cols-4">
      {packages.map((offered) => {
        const { id, label, credits, price } = offered;
        const bonus = bonusOf(offered, packages);
        return (
          <li key={id}>
            <Card className="h-full" aria-label={label}>
              <div className="flex items-start justify-between gap-2">
                <CardTitle>{label}</CardTitle>
                {bonus > 0 && <Badge variant="good">{words.bonus(bonus)}</Badge>}
              </div>
              <p>
                <span className="text-2xl font-semibold tabular-nums">{amountText(credits, language)}</span>{' '}
                <span className="text-muted-foreground text-sm">{words.unit}</span>
              </p>
              <div className="mt-auto flex items-center justify-between gap-2">
                <span className="text-lg tabular-nums">{dollarText(price, language)}</span>
                <Button aria-label={words.buyLabel(label)} disabled={buy.isPending} onClick={() => buy.mutate(id)}>
                  {words.buy}
                </Button>
              </div>
            </Card>
          </li>
        );
      })}
    </ul>
  );
}
