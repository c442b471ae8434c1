import type { Entry } from 'kingcong';

import { EntryFilter } from '@/lib/requests';
import { WORDS, type Language } from '@/lib/words';
import { forUsers } from '@/server/route';
import { entries } from '@/server/transactions';

/** A value as a CSV field. What begins like a formula is no formula in a spreadsheet. */
function field(value: string | number | null): string {
  const text = String(value ?? '');
  const safe = /^[=+@\t\r]/.test(text) || (text.startsWith('-') && Number.isNaN(Number(text))) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function line(entry: Entry): string {
  const { number, at, kind, amount, balanceAfter, unit, route, task, reference } = entry;
  return [number, at.toISOString(), kind, amount, balanceAfter, unit, route, task, reference].map(field).join(',');
}

function heading(language: Language): string {
  const { number, when, kind, amount, balance, unit, route, task, reference } = WORDS[language].history.columns;
  return [number, when, kind, amount, balance, unit, route, task, reference].map(field).join(',');
}

/** All of it as CSV, however long the ledger is: a spreadsheet opens it as UTF-8 by its mark. */
export const GET = forUsers({ query: EntryFilter }, ({ kc, user, query, language }) => {
  const rows = entries(kc, user.id, query);
  const encoder = new TextEncoder();
  const stream = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(encoder.encode(`\uFEFF${heading(language)}\r\n`)),
    async pull(controller) {
      const { done, value } = await rows.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(`${line(value)}\r\n`));
    },
    async cancel() {
      await rows.return();
    },
  });
  const headers = {
    'Content-Type': 'text/csv; charset=utf-8',
    'Cache-Control': 'no-store',
    'Content-Disposition': 'attachment; filename="kingcong-transactions.csv"',
  };
  return new Response(stream, { headers });
});
