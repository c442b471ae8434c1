'use client';

import { useQuery } from '@tanstack/react-query';

import { useLanguage, useWords } from '@/components/language';
import { Loaded } from '@/components/loaded';
import { Badge } from '@/components/ui/badge';
import { Card, CardTitle } from '@/components/ui/card';
import { Table, TableCell, TableHead, TableRow } from '@/components/ui/table';
import { ask } from '@/lib/api';
import { amountText } from '@/lib/format';
import type { UserView } from '@/server/views-admin';

import { ADMIN_KEY } from '../queries';
import { Adjust } from './adjust';

export function Users() {
  const words = useWords().admin.users;
  const language = useLanguage();
  const query = useQuery({
    queryKey: [...ADMIN_KEY, 'users'],
    queryFn: () => ask<UserView[]>('/api/admin/users'),
  });
  const { title, columns, roles } = words;
  return (
    <Card>
      <CardTitle>{title}</CardTitle>
      <Loaded query={query}>
        {(users) => (
          <Table caption={title}>
            <thead>
              <TableRow>
                <TableHead>{columns.user}</TableHead>
                <TableHead>{columns.role}</TableHead>
                <TableHead className="text-right">{columns.available}</TableHead>
                <TableHead className="text-right">{columns.held}</TableHead>
                <TableHead className="text-right">{columns.purchased}</TableHead>
                <TableHead className="text-right">{columns.spent}</TableHead>
                <TableHead className="text-right">{columns.debt}</TableHead>
                <TableHead>{columns.actions}</TableHead>
              </TableRow>
            </thead>
            <tbody>
              {users.map((user) => (
                <TableRow key={user.id}>
                  <TableCell className="whitespace-nowrap">
                    <span className="flex flex-col">
                      {user.name}
                      <span className="text-muted-foreground text-xs">{user.id}</span>
                    </span>
                  </TableCell>
                  <TableCell>
                    <Badge variant={user.role === 'member' ? 'default' : 'outline'}>{roles[user.role]}</Badge>
                  </TableCell>
                  {(['available', 'held', 'totalPurchased', 'totalSpent', 'debt'] as const).map((amount) => (
                    <TableCell key={amount} className="text-right tabular-nums">
                      {amountText(user[amount], language)}
                    </TableCell>
                  ))}
                  <TableCell>
                    <Adjust user={user} />
                  </TableCell>
                </TableRow>
              ))}
            </tbody>
          </Table>
        )}
      </Loaded>
    </Card>
  );
}
