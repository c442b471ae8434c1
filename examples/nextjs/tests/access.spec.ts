import { expect, test, PASSWORD } from './stage';

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
const ADMIN_DOORS: typeof USERS_DOORS = [
  ['GET', '/api/admin/system'],
  ['PUT', '/api/admin/routes/ai33/elevenlabs'],
  ['PUT', '/api/admin/maintenance'],
  ['PUT', '/api/admin/weights'],
  ['POST', '/api/admin/verification'],
  ['GET', '/api/admin/statistics'],
  ['GET', '/api/admin/errors'],
  ['GET', '/api/admin/keys'],
  ['POST', '/api/admin/keys'],
  ['PATCH', '/api/admin/keys/01a20089-319f-7897-bd70-efe0a306c618'],
  ['DELETE', '/api/admin/keys/01a20089-319f-7897-bd70-efe0a306c618'],
  ['POST', '/api/admin/keys/01a20089-319f-7897-bd70-efe0a306c618/check'],
  ['GET', '/api/admin/users'],
  ['POST', '/api/admin/users/lan/adjustments'],
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
  for (const [method, path] of ADMIN_DOORS) {
    const answer = await page.request.fetch(path, { method, headers: { Origin: stage.url }, data: {} });
    expect(answer.status(), `${method} ${path}`).toBe(403);
  }
  expect((await stage.kc.reports.audit()).filter(({ actor }) => actor === 'lan')).toEqual([]);
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

test('guessing passwords is stopped, and a session that somebody made up is none', async ({ request, stage }) => {
  const headers = { Origin: stage.url };
  const guess = (password: string) => request.post('/api/session', { headers, data: { name: 'minh', password } });
  const guesses = await Promise.all(Array.from({ length: 15 }, () => guess('wrong')));
  expect(guesses.filter((answer) => answer.status() === 401)).toHaveLength(10);
  expect((await guess(PASSWORD)).status()).toBe(429);

  const user = Buffer.from('admin').toString('base64url');
  const session = `${Date.now() + 1_000_000}.${user}.${'A'.repeat(43)}`;
  const answer = await request.get('/api/status', { headers: { Cookie: `session=${session}` } });
  expect(answer.status()).toBe(401);
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
