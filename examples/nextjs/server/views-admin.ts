/** What administrators see of the library's records, beside the system and its statistics. */

import type { AuditEntry, ErrorRecord, Key, Wallet } from 'kingcong';
import { keyText } from '@/lib/format-admin';

import type { User } from './users';

export interface ErrorView extends Pick<ErrorRecord, 'attempt' | 'kind' | 'upstreamCode' | 'message'> {
  readonly at: Date;
  readonly route: string;
  /** Its mask; not that of a key that was removed. */
  readonly key: string;
}

export function errorView(record: ErrorRecord, names: ReadonlyMap<string, string>, keys: readonly Key[]): ErrorView {
  const { attempt, kind, upstreamCode, message, leasedAt, endedAt } = record;
  return {
    ...{ attempt, kind, upstreamCode, message },
    at: endedAt ?? leasedAt,
    route: names.get(record.route) ?? record.route,
    key: keyText({ id: record.key, label: '', mask: keys.find(({ id }) => id === record.key)?.mask ?? '' }),
  };
}

export interface UserView extends User, Pick<Wallet, 'available' | 'held' | 'totalPurchased' | 'totalSpent' | 'debt'> {}

export function userView({ id, name, role }: User, wallet: Wallet): UserView {
  const { available, held, totalPurchased, totalSpent, debt } = wallet;
  return { id, name, role, available, held, totalPurchased, totalSpent, debt };
}

export interface AuditView extends Pick<AuditEntry, 'id' | 'at' | 'actor' | 'door'> {
  /** What was changed; of who was refused, in which role. */
  readonly detail: string;
}

export function auditView({ id, at, actor, role, door, outcome, detail }: AuditEntry): AuditView {
  return { id, at, actor, door, detail: outcome === 'refused' ? `refused: ${role}` : detail };
}
