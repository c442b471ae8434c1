/**
 * Each role at the doors: what is its own is found, what is foreign is not, and the other doors refuse.
 */

import { KingCongError, type Access, type Doors, type Role } from 'kingcong';
import { describe, expect, test } from 'vitest';

import { STORES, prepare, speech, stage } from './upstream';

const UNKNOWN = '01932c07-6f2a-7c40-8a3e-6d1f5b0c9e21';

/** Each role, here for the tenant acme and its user an. */
const ACCESSES: readonly Access[] = [
  { actor: 'somebody', role: 'operator' },
  { actor: 'somebody', role: 'operator_billing' },
  { actor: 'somebody', role: 'support' },
  { actor: 'somebody', role: 'auditor' },
  { actor: 'somebody', role: 'tenant_admin', tenant: 'acme' },
  { actor: 'somebody', role: 'tenant_billing', tenant: 'acme' },
  { actor: 'somebody', role: 'member', tenant: 'acme', user: 'an' },
];

const STAFF: readonly Role[] = ['operator'];
const BOOKS: readonly Role[] = ['operator', 'operator_billing'];
const WORK: readonly Role[] = ['operator', 'tenant_admin', 'member'];
const READING: readonly Role[] = ['operator', 'support', 'tenant_admin', 'tenant_billing', 'member'];
const EVERYBODY = ACCESSES.map((access) => access.role);

/** Whose rows are asked for. */
interface Rows {
  readonly user: string;
  readonly job: string;
  readonly task: string;
}

const order = (user: string) => ({ ...speech('Xin chào!'), user, idempotencyKey: 'spoken' });
const why = (idempotencyKey: string) => ({ reason: 'sorry', idempotencyKey });

type Knock = (kc: Doors, rows: Rows) => Promise<unknown>;

/** Every door with rows: how it is asked, and the roles that may. */
const DOORS: Readonly<Record<string, readonly [Knock, readonly Role[]]>> = {
  estimate: [(kc, rows) => kc.estimate(order(rows.user)), WORK],
  submit: [(kc, rows) => kc.submit(order(rows.user)), WORK],
  jobs: [(kc, rows) => kc.jobs({ user: rows.user }), READING],
  'job.status': [(kc, rows) => kc.job(rows.job).status(), READING],
  'job.wait': [(kc, rows) => kc.job(rows.job).wait(), READING],
  'job.cancel': [(kc, rows) => kc.job(rows.job).cancel(), WORK],
  'job.result': [(kc, rows) => kc.job(rows.job).result(), READING],
  'job.audio': [(kc, rows) => kc.job(rows.job).audio(), READING],
  'job.subtitles': [(kc, rows) => kc.job(rows.job).subtitles(), READING],
  'job.task_output': [(kc, rows) => kc.job(rows.job).taskOutput(0), READING],
  'wallets.get': [(kc, rows) => kc.wallets.get(rows.user), READING],
  'wallets.list': [(kc) => kc.wallets.list(), READING],
  'wallets.history': [(kc, rows) => kc.wallets.history(rows.user), READING],
  'wallets.purchase': [
    (kc, rows) => kc.wallets.purchase(rows.user, 'package-1', `order of ${rows.user}`),
    [...BOOKS, 'tenant_admin', 'tenant_billing'],
  ],
  'wallets.refund': [(kc, rows) => kc.wallets.refund(rows.user, rows.task, why(rows.task)), [...BOOKS, 'support']],
  'wallets.adjust': [(kc, rows) => kc.wallets.adjust(rows.user, 7, why('g-1')), BOOKS],
  'voices.cloned': [(kc, rows) => kc.voices.cloned(rows.user), READING],
  'reports.usage': [(kc) => kc.reports.usage(), EVERYBODY],
  'reports.errors': [(kc) => kc.reports.errors(), EVERYBODY],
  'reports.split': [(kc) => kc.reports.split(), EVERYBODY],
  'reports.audit': [(kc) => kc.reports.audit(), ['operator', 'auditor', 'tenant_admin']],
  'config.history': [(kc) => kc.config.history(), ['operator', 'auditor']],
  'config.get': [(kc) => kc.config.get(), STAFF],
  'config.set_maintenance': [(kc) => kc.config.setMaintenance({}), STAFF],
  'keys.list': [(kc) => kc.keys.list(), STAFF],
  'accounts.list': [(kc) => kc.accounts.list(), STAFF],
  'tenants.set': [(kc) => kc.tenants.set('nowhere', 'Nowhere', 'active'), STAFF],
  'tenants.get': [(kc) => kc.tenants.get('nowhere'), STAFF],
  'tenants.list': [(kc) => kc.tenants.list(), STAFF],
  'prices.list': [(kc) => kc.prices.list(), BOOKS],
  'packages.list': [(kc) => kc.packages.list(), BOOKS],
  status: [(kc) => kc.status(), STAFF],
  verify: [(kc) => kc.verify(), STAFF],
  pulse: [(kc) => kc.pulse(), STAFF],
};

/** Doors that name a user: of another user a member finds nothing. */
const OF_USER = ['estimate', 'submit', 'jobs', 'wallets.get', 'wallets.history', 'voices.cloned'];

async function refusal(asked: Promise<unknown>): Promise<KingCongError> {
  const refused = await asked.then(
    () => new Error('nothing was refused'),
    (refused: unknown) => refused,
  );
  expect(refused).toBeInstanceOf(KingCongError);
  return refused as KingCongError;
}

async function owned(kc: Doors, tenant: string, user: string): Promise<Rows> {
  const own = kc.of(tenant);
  await own.wallets.purchase(user, 'package-1', `order of ${user}`);
  const job = await own.submit(order(user));
  const { tasks } = await job.wait();
  return { user, job: job.id, task: tasks[0]?.id ?? '' };
}

describe.each(STORES)('on %s', (store) => {
  test.each(ACCESSES)('$role finds what is its own and nothing else', async (access) => {
    const { kc } = await stage(store);
    await prepare(kc, 100);
    const { role } = access;
    const [an, colleague] = [await owned(kc, 'acme', 'an'), await owned(kc, 'acme', 'bình')];
    const stranger = await owned(kc, 'umbra', 'an');
    const acting = kc.of('acme').acting(access);
    for (const [door, [knock, roles]] of Object.entries(DOORS)) {
      if (!roles.includes(role)) {
        const refused = await refusal(knock(acting, an));
        expect(refused).toMatchObject({ code: 'forbidden', fields: { door, role } });
        continue;
      }
      await knock(acting, an);
      if (door.startsWith('job.') || door === 'wallets.refund') {
        for (const foreign of role === 'member' ? [stranger, colleague] : [stranger]) {
          const hidden = await refusal(knock(acting, foreign));
          const unknown = await refusal(knock(acting, { user: foreign.user, job: UNKNOWN, task: UNKNOWN }));
          expect(hidden.code).toBe('not_found');
          expect(hidden.message.replace(foreign.job, UNKNOWN)).toBe(unknown.message);
        }
      } else if (OF_USER.includes(door) && role === 'member') {
        expect((await refusal(knock(acting, colleague))).code).toBe('not_found');
      }
      if ('tenant' in access) {
        const elsewhere = await refusal(knock(acting.of('umbra'), stranger));
        expect(elsewhere).toMatchObject({ code: 'not_found', fields: { what: 'tenant', name: 'umbra' } });
      }
    }
  });

  test("what is done and what is refused is audited in the actor's name", async () => {
    const { kc } = await stage(store);
    const chief = kc.acting({ actor: 'chief', role: 'tenant_admin', tenant: 'acme' });
    const an = kc.acting({ actor: 'an', role: 'member', tenant: 'acme', user: 'an' });
    await chief.wallets.purchase('an', 'package-1', 'order-1');
    await refusal(an.config.setWeights({ ai33: 1 }));
    const [refused, bought] = await chief.reports.audit();
    expect(refused).toMatchObject({ actor: 'an', role: 'member', door: 'config.set_weights', outcome: 'refused' });
    expect(refused).toMatchObject({ tenant: 'acme', target: null, detail: '{}' });
    expect(bought).toMatchObject({ actor: 'chief', role: 'tenant_admin', target: 'wallet of an in credit' });
    expect(JSON.parse(bought?.detail ?? '')).toMatchObject({
      wallet: { tenant: 'acme', owner: { user: 'an' }, unit: 'credit' },
      movement: { purchase: { package: 'package-1' } },
    });
  });

  test('an access ends', async () => {
    const { kc } = await stage(store);
    const day = 24 * 60 * 60 * 1000;
    const until = new Date(Date.now() - day);
    const expired = await refusal(kc.acting({ actor: 'an', role: 'auditor', until }).reports.usage());
    expect(expired).toMatchObject({ code: 'access_expired', fields: { actor: 'an' } });
    const goingOn = kc.acting({ actor: 'an', role: 'auditor', until: new Date(Date.now() + day) });
    expect(await goingOn.reports.usage()).toEqual([]);
  });

  test('words that make no role are refused', async () => {
    const { kc } = await stage(store);
    const acting = (access: object) => kc.acting(access as Access).jobs();
    // Who forgets the role is nobody, and not the operator.
    for (const role of ['root', '', null, undefined]) expect(() => acting({ actor: 'an', role })).toThrow(TypeError);
    expect(() => acting({ actor: 'an' })).toThrow(TypeError);
    for (const [access, words] of [
      [{ actor: 'an', role: 'member' }, 'role member has no tenant'],
      [{ actor: 'an', role: 'member', tenant: 'acme' }, 'role member has no user'],
      [{ actor: 'an', role: 'tenant_admin', tenant: '' }, 'TenantId "" must be'],
      [{ actor: 'an', role: 'operator', tenant: 'acme' }, 'role operator is not of one tenant'],
    ] as const) {
      const refused = await refusal(acting(access));
      expect(refused.code).toBe('invalid_request');
      expect(refused.message).toContain(words);
    }
  });
});
