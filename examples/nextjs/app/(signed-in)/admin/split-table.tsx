'use client';

import { useLanguage, useWords } from '@/components/language';
import { Table, TableCell, TableHead, TableRow } from '@/components/ui/table';
import { amountText, idText } from '@/lib/format';
import { percentText } from '@/lib/format-admin';
import type { ServiceSplit } from '@/server/system';

/** How each service's last calls were spread over servers. */
export function SplitTable({ split }: { readonly split: readonly ServiceSplit[] }) {
  const words = useWords();
  const language = useLanguage();
  const columns = words.admin.split;
  if (split.length === 0) return <p className="text-muted-foreground text-sm">{words.nothing}</p>;
  return (
    <Table caption={words.admin.system.achieved}>
      <thead>
        <TableRow>
          <TableHead>{columns.service}</TableHead>
          <TableHead>{columns.server}</TableHead>
          <TableHead className="text-right">{columns.percent}</TableHead>
          <TableHead className="text-right">{columns.done}</TableHead>
          <TableHead className="text-right">{columns.failed}</TableHead>
        </TableRow>
      </thead>
      <tbody>
        {split.flatMap(({ service, name, shares }) =>
          shares.map(({ server, done, failed, percent }) => (
            <TableRow key={`${service} ${server}`}>
              <TableCell>{name}</TableCell>
              <TableCell>{idText(server)}</TableCell>
              <TableCell className="text-right whitespace-nowrap tabular-nums">
                {percentText(percent, language)}
              </TableCell>
              <TableCell className="text-right tabular-nums">{amountText(done, language)}</TableCell>
              <TableCell className="text-right tabular-nums">{amountText(failed, language)}</TableCell>
            </TableRow>
          )),
        )}
      </tbody>
    </Table>
  );
}
