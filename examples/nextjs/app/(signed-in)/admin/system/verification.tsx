'use client';

import { useMutation } from '@tanstack/react-query';
import type { Verification as Found } from 'kingcong';
import { CircleCheckIcon, TriangleAlertIcon } from 'lucide-react';

import { useLanguage, useWords } from '@/components/language';
import { Alert } from '@/components/ui/alert';
import { Button } from '@/components/ui/button';
import { Card, CardDescription, CardTitle } from '@/components/ui/card';
import { ask } from '@/lib/api';
import { amountText } from '@/lib/format';

/** Counts everything again when asked to. */
export function Verification() {
  const words = useWords().admin.system;
  const verify = useMutation({ mutationFn: () => ask<Found>('/api/admin/verification', { method: 'POST' }) });
  return (
    <Card aria-label={words.verify}>
      <CardTitle>{words.verify}</CardTitle>
      <CardDescription>{words.verifyHint}</CardDescription>
      <Button className="self-start" disabled={verify.isPending} onClick={() => verify.mutate()}>
        {words.verifyNow}
      </Button>
      {verify.data !== undefined && <Findings found={verify.data} />}
    </Card>
  );
}

function Findings({ found }: { readonly found: Found }) {
  const words = useWords().admin.system;
  const language = useLanguage();
  const { wallets, jobs, limits, found: rows, discrepancies, isSound } = found;
  const count = (number: number) => amountText(number, language);
  return (
    <Alert variant={isSound ? 'default' : 'bad'}>
      {isSound ? <CircleCheckIcon aria-hidden /> : <TriangleAlertIcon aria-hidden />}
      <div className="flex min-w-0 flex-col gap-2">
        <strong>{isSound ? words.sound : words.unsound(count(rows))}</strong>
        <p>{words.counted(count(wallets), count(jobs), count(limits))}</p>
        {!isSound && (
          <ul className="list-disc pl-4">
            {discrepancies.map(({ kind, table, row, column, found: stored, expected }) => (
              <li key={`${kind} ${table} ${row} ${column ?? ''} ${expected}`} className="wrap-anywhere">
                {table} {row}: {column} {stored} → {expected}
              </li>
            ))}
          </ul>
        )}
      </div>
    </Alert>
  );
}
