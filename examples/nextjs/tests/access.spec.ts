import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';

import { expect, test, PASSWORD, type Stage } from './stage';

/** Every door of the app, and what it is asked. */
const USERS_DOORS: readonly (readonly [method: string, path: string])[] = [
  ['GET', '/api/status'],
  ['POST', '/api/payments'],
  ['POST', '/api/speech'],
  ['POST', '/api/speech/estimate'],
  ['GET', '/api/jobs'],
  ['GET', '/api/jobs/01a20089-319f-7897-bd70-efe0a306c618'],
  ['DELETE', '/api/jobs/01a20089-319f-7897-bd70-efe0a306c618'],
  ['GET', '/api/voices?service=elevenlabs'],
  ['GET', '/api/voices/cloned'],
  ['POST', '/api/voices/cloned'],
  ['GET', '/api/transactions'],
  ['GET', '/api/transactions/csv'],
  ['DELETE', '/api/session'],
];
const KEY = { server: 'ai33', service: 'minimax', secret: 'sk-of-somebody', label: '', account: '' };
const KEY_OF_ONCE = '01a20089-319f-7897-bd70-efe0a306c618';
/** With what each is rightly asked: it is the library that refuses. */
const ADMIN_DOORS: readonly (readonly [method: string, path: string, data?: object])[] = [
  ['GET', '/api/admin/system'],
  ['PUT', '/api/admin/routes/ai33/elevenlabs', { switch: 'off' }],
  ['PUT', '/api/admin/maintenance', { isFull: true, services: [] }],
  ['PUT', '/api/admin/weights', { ai33: 1, ai84: 1 }],
  ['POST', '/api/admin/verification'],
  ['GET', '/api/admin/statistics?days=7'],
  ['GET', '/api/admin/errors'],
  ['GET', '/api/admin/keys'],
  ['POST', '/api/admin/keys', KEY],
  ['PATCH', '/api/admin/keys/01a20089-319f-7897-bd70-efe0a306c618', { switch: 'off' }],
  ['DELETE', '/api/admin/keys/01a20089-319f-7897-bd70-efe0a306c618'],
  ['POST', '/api/admin/keys/01a20089-319f-7897-bd70-efe0a306c618/check'],
  ['GET', '/api/admin/users'],
  ['POST', '/api/admin/users/lan/adjustments', { change: '1', reason: 'gift', idempotencyKey: KEY_OF_ONCE }],
  ['GET', '/api/admin/audit'],
];
const ADMIN_PAGES = ['system', 'keys', 'statistics', 'errors', 'users', 'audit'];

test('who is not signed in gets nowhere', async ({ page, stage }) => {
  for (const path of ['/tools/credits', '/tools/speech', '/tools/voices', '/history', '/admin/system']) {
    await page.goto(path);
    await expect(page, path).toHaveURL(/\/sign-in$/);
  }
  for (const [method, path] of [...USERS_DOORS, ...ADMIN_DOORS]) {
    const answer = await page.request.fetch(path, { method, headers: { Origin: stage.url }, data: {} });
    expect(answer.status(), `${method} ${path}`).toBe(401);
  }
});

test('the administration is refused to users, by page and by door', async ({ as, stage }) => {
  const page = await as('lan');
  await page.goto('/tools/credits');
  await expect(page.getByRole('link', { name: 'Quản trị' })).toHaveCount(0);
  for (const name of ADMIN_PAGES) {
    expect((await page.goto(`/admin/${name}`))?.status(), name).toBe(404);
  }
  for (const [method, path, data = {}] of ADMIN_DOORS) {
    const answer = await page.request.fetch(path, { method, headers: { Origin: stage.url }, data });
    expect(answer.status(), `${method} ${path}`).toBe(403);
  }
  const audited = (await stage.kc.reports.audit()).filter(({ actor }) => actor === 'lan');
  expect(audited.length).toBeGreaterThan(0);
  expect(audited.every(({ outcome }) => outcome === 'refused')).toBe(true);
});

test('signing in needs the password, and out is out', async ({ page }) => {
  await page.goto('/');
  await page.getByRole('button', { name: 'Đăng nhập' }).click();
  await expect(page.getByText('Không được để trống')).toHaveCount(2);
  await page.getByLabel('Tên đăng nhập').fill('lan');
  await page.getByLabel('Mật khẩu').fill('wrong');
  await page.getByRole('button', { name: 'Đăng nhập' }).click();
  await expect(page.getByText('Sai tên đăng nhập hoặc mật khẩu')).toBeVisible();
  await page.getByLabel('Mật khẩu').fill(PASSWORD);
  await page.getByRole('button', { name: 'Đăng nhập' }).click();
  await expect(page).toHaveURL(/\/tools\/credits$/);
  await page.getByRole('button', { name: 'Đăng xuất' }).click();
  await expect(page).toHaveURL(/\/sign-in$/);
  await page.goto('/tools/credits');
  await expect(page).toHaveURL(/\/sign-in$/);
});

test('who signs out has signed out, with every copy of the cookie, and other sessions go on', async ({ as, stage }) => {
  const [page, other] = [await as('lan'), await as('lan')];
  const [cookie] = (await page.context().cookies()).filter(({ name }) => name === 'session');
  const headers = { Origin: stage.url, Cookie: `session=${cookie?.value}` };
  const status = async () => (await fetch(`${stage.url}/api/status`, { headers })).status;
  expect(await status()).toBe(200);
  expect((await fetch(`${stage.url}/api/session`, { method: 'DELETE', headers })).status).toBe(204);
  expect(await status()).toBe(401);
  expect((await page.request.get('/api/status')).status()).toBe(401);
  expect((await other.request.get('/api/status')).status()).toBe(200);
});

test('a session that somebody made up is none, and the oldest of many ends', async ({ as, stage }) => {
  const admin = createHash('sha256').update('admin').digest('hex');
  const status = async (session: string) => {
    return (await fetch(`${stage.url}/api/status`, { headers: { Cookie: `session=${session}` } })).status;
  };
  for (const session of ['', 'admin', `${admin}.${'a'.repeat(64)}`, `${admin}.`, `..%2F${admin}.${'a'.repeat(64)}`]) {
    expect(await status(session), session).toBe(401);
  }
  const page = await as('lan');
  const sign = { headers: { Origin: stage.url }, data: { name: 'lan', password: PASSWORD } };
  const session = async () => (await page.context().cookies()).find(({ name }) => name === 'session')?.value ?? '';
  const first = await session();
  for (let times = 0; times < 20; times += 1) {
    expect((await page.request.post('/api/session', sign)).status()).toBe(204);
  }
  expect(await status(first)).toBe(401);
  expect(await status(await session())).toBe(200);
});

/** Signs in from an address of this machine. */
async function signIn(stage: Stage, from: string, name: string, password: string, more: Record<string, string> = {}) {
  const body = JSON.stringify({ name, password });
  const headers = { 'Content-Type': 'application/json', Origin: stage.url, ...more };
  const asked = request(`${stage.url}/api/session`, { method: 'POST', headers, localAddress: from });
  asked.end(body);
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  answer.resume();
  return { status: answer.statusCode, retryAfter: Number(answer.headers['retry-after'] ?? '0') };
}

test('who guesses a password must pause, and the owner comes in from elsewhere', async ({ stage }) => {
  // What a client says of where it comes from is no other address.
  const elsewhere = (number: number) => ({ 'X-Forwarded-For': `192.0.2.${number}` });
  const guess = (number: number) => signIn(stage, '127.0.0.2', 'minh', 'wrong', elsewhere(number));
  const guesses = await Promise.all(Array.from({ length: 15 }, (_, number) => guess(number)));
  expect(guesses.filter(({ status }) => status === 401)).toHaveLength(5);
  const refused = guesses.filter(({ status }) => status === 429);
  expect(refused).toHaveLength(10);
  expect(Math.min(...refused.map(({ retryAfter }) => retryAfter))).toBeGreaterThan(0);
  expect((await signIn(stage, '127.0.0.1', 'minh', PASSWORD)).status).toBe(204);
});

test('an address that guesses many accounts must pause for all of them', async ({ stage }) => {
  const names = Array.from({ length: 30 }, (_, number) => `nobody-${number}`);
  const guesses = await Promise.all(names.map((name) => signIn(stage, '127.0.0.3', name, 'wrong')));
  expect(guesses.filter(({ status }) => status === 401)).toHaveLength(20);
  expect(guesses.filter(({ status }) => status === 429)).toHaveLength(10);
  expect((await signIn(stage, '127.0.0.1', 'lan', PASSWORD)).status).toBe(204);
});

test("another site's page cannot use a session, and what is too large is not read", async ({ as, stage }) => {
  const page = await as('lan');
  const data = { package: 'package-1', idempotencyKey: 'foreign-page' };
  for (const headers of [{ Origin: 'https://elsewhere.example' }, { Origin: 'null' }, {}]) {
    expect((await page.request.post('/api/payments', { headers, data })).status()).toBe(403);
  }
  const headers = { Origin: stage.url };
  const large = { ...data, more: 'x'.repeat(2 * 1024 * 1024) };
  expect((await page.request.post('/api/payments', { headers, data: large })).status()).toBe(413);
  for (const wrong of [{}, { ...data, package: '../etc' }, { ...data, idempotencyKey: 7 }]) {
    expect((await page.request.post('/api/payments', { headers, data: wrong })).status()).toBe(422);
  }
  const unknown = { ...data, package: 'package-99' };
  expect((await page.request.post('/api/payments', { headers, data: unknown })).status()).toBe(404);
});
