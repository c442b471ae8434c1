/** The administration, in a browser: what administrators change is what users and the library then see. */

import type { Page } from '@playwright/test';

import { answered, credits, expect, sentences, test, VOICE, type Stage } from './stage';

const AI33 = ['AI33 ElevenLabs', 'AI33 Minimax'];
const AI84 = ['AI84 ElevenLabs', 'AI84 Minimax'];

/** What stands in the audit under the administrator's id, oldest first. */
async function doors(stage: Stage): Promise<string[]> {
  const audit = await stage.kc.ofAll().reports.audit({ limit: 1_000 });
  return audit.flatMap(({ actor, door }) => (actor === 'admin' ? [door] : [])).reverse();
}

/** The cells of a table, row by row. */
function cells(page: Page, caption: string): Promise<string[][]> {
  const rows = page.getByRole('table', { name: caption }).locator('tbody tr');
  return rows.evaluateAll((all) => {
    return (all as HTMLTableRowElement[]).map((row) => [...row.cells].map((cell) => cell.innerText));
  });
}

/** A number as it is written in Vietnamese. */
function numberOf(text: string | undefined): number {
  return Number(text?.replaceAll('.', '').replace(',', '.').replace('%', ''));
}

/** A job of this many tasks that has ended. */
async function spoken(stage: Stage, service: string, pieces: number): Promise<void> {
  const job = await stage.kc.submit({ user: 'lan', service, voice: VOICE, text: sentences(pieces * 3), pieces });
  await job.wait();
}

/** Every answer of the administration's doors that a page gets. */
function answersTo(page: Page): () => Promise<string> {
  const answers: Promise<string>[] = [];
  page.on('response', (response) => {
    if (response.url().includes('/api/admin/')) answers.push(response.text());
  });
  return async () => (await Promise.all(answers)).join('\n');
}

test('switches make the four cases, by the keyboard too, and users see what is on', async ({ as, stage }) => {
  const [admin, page] = await Promise.all([as('admin'), as('lan')]);
  await admin.goto('/admin/system');
  await page.goto('/tools/credits');
  const state = admin.getByTestId('state');
  await expect(state).toContainText('Mọi thứ đang bật');
  for (const [name, on] of [
    ['Trường hợp 1: AI33 phục vụ cả ElevenLabs và Minimax', AI33],
    ['Trường hợp 2: AI84 phục vụ cả ElevenLabs và Minimax', AI84],
    ['Trường hợp 3: AI33 phục vụ Minimax, AI84 phục vụ ElevenLabs', ['AI33 Minimax', 'AI84 ElevenLabs']],
    ['Trường hợp 4: AI33 phục vụ ElevenLabs, AI84 phục vụ Minimax', ['AI33 ElevenLabs', 'AI84 Minimax']],
  ] as [string, string[]][]) {
    for (const route of [...AI33, ...AI84]) {
      const turn = admin.getByRole('switch', { name: route });
      if ((await turn.isChecked()) !== on.includes(route)) await turn.click();
      await expect(turn).toBeChecked({ checked: on.includes(route) });
    }
    await expect(state).toContainText(name);
    for (const route of [...AI33, ...AI84]) {
      const [server = '', service] = route.split(' ');
      const light = on.includes(route) ? 'Hoạt động' : 'Tắt';
      await expect(page.getByTestId(`server-${server.toLowerCase()}`)).toContainText(`${service}: ${light}`);
    }
  }
  const turn = admin.getByRole('switch', { name: 'AI33 Minimax' });
  await turn.focus();
  for (const isOn of [true, false, true]) {
    await admin.keyboard.press('Space');
    await expect(turn).toBeChecked({ checked: isOn });
  }
  await expect(state).toContainText('Hỗn hợp');
  // The cases take two, four, two and four turns, and the keyboard three.
  expect(await doors(stage)).toEqual(Array(15).fill('config.set_route'));
});

test('maintenance of a service, of all of them and of everything is told to users, and lifted', async ({
  as,
  stage,
}) => {
  const [admin, page] = await Promise.all([as('admin'), as('lan')]);
  await admin.goto('/admin/system');
  await page.goto('/tools/credits');
  const save = admin.getByRole('button', { name: 'Lưu bảo trì' });
  const notice = page.getByTestId('notice');
  await expect(save).toBeDisabled();

  await admin.getByLabel('Bảo trì dịch vụ').check();
  await expect(admin.getByText('Hãy chọn ít nhất một dịch vụ')).toBeVisible();
  await expect(save).toBeDisabled();
  await admin.getByRole('checkbox', { name: 'Minimax' }).check();
  await save.click();
  await expect(notice).toHaveText(['Minimax đang bảo trì']);
  await expect(page.getByTestId('server-ai84')).toContainText('ElevenLabs: Hoạt động');
  await expect(page.getByTestId('server-ai84')).toContainText('Minimax: Bảo trì');

  await admin.getByRole('checkbox', { name: 'ElevenLabs' }).check();
  await save.click();
  await expect(notice).toHaveText(['ElevenLabs đang bảo trì', 'Minimax đang bảo trì']);
  const { maintenance } = await stage.kc.config.get();
  expect(maintenance).toEqual({ isFull: false, services: ['elevenlabs', 'minimax'] });

  await admin.getByLabel('Bảo trì toàn hệ thống').check();
  await save.click();
  await expect(notice).toHaveText(['Server KingCong đang bảo trì']);
  await admin.reload();
  await expect(admin.getByLabel('Bảo trì toàn hệ thống')).toBeChecked();

  await admin.getByLabel('Không bảo trì').check();
  await save.click();
  await expect(notice).toHaveCount(0);
  expect((await stage.kc.config.get()).maintenance).toEqual({ isFull: false, services: [] });
  expect(await doors(stage)).toEqual(Array(4).fill('config.set_maintenance'));
});

test('a split is kept, and three servers share by weights', async ({ as, stage }) => {
  const page = await as('admin');
  await page.goto('/admin/system');
  const [split, save] = [page.getByTestId('split'), page.getByRole('button', { name: 'Lưu tỷ lệ' })];
  await expect(split).toHaveText('AI33 70 % : AI84 30 %');
  await expect(save).toBeDisabled();
  const slider = page.getByRole('slider', { name: 'Tỷ lệ của AI33, phần trăm' });
  await slider.focus();
  for (let steps = 0; steps < 5; steps += 1) await slider.press('ArrowLeft');
  await expect(split).toHaveText('AI33 65 % : AI84 35 %');
  expect(await answered(page, 'PUT /api/admin/weights', () => save.click())).toBe(204);
  await page.reload();
  await expect(split).toHaveText('AI33 65 % : AI84 35 %');

  const [known] = (await stage.kc.config.get()).servers;
  if (known === undefined) throw new Error('there is no server');
  const { protocol, baseUrl, limits } = known;
  await stage.kc.config.addServer('ai99', { protocol, baseUrl, limits, weight: 0 }, { services: { minimax: 'off' } });
  await page.reload();
  await expect(slider).toHaveCount(0);
  const weight = (server: string) => page.getByLabel(`Trọng số ${server}`);
  await expect(weight('AI33')).toHaveValue('65');
  for (const wrong of ['', '-1', '1.5', '1000001']) {
    await weight('AI99').fill(wrong);
    await expect(page.getByText('Trọng số là số nguyên từ 0 đến 1.000.000')).toBeVisible();
    await expect(save).toBeDisabled();
  }
  for (const server of ['AI33', 'AI84', 'AI99']) await weight(server).fill('0');
  await expect(save).toBeDisabled();
  await weight('AI33').fill('3');
  await weight('AI84').fill('2');
  await weight('AI99').fill('1');
  expect(await answered(page, 'PUT /api/admin/weights', () => save.click())).toBe(204);
  await page.reload();
  await expect(split).toHaveText('AI33 50 % : AI84 33,3 % : AI99 16,7 %');
  expect((await stage.kc.config.get()).servers.map(({ weight }) => weight)).toEqual([3, 2, 1]);
  // A switch that is off takes no work, whatever the weight.
  await expect(page.getByRole('switch', { name: 'AI99 Minimax' })).not.toBeChecked();
  await expect(page.getByRole('switch', { name: 'AI99 ElevenLabs' })).toHaveCount(0);
  expect(await doors(stage)).toEqual(Array(2).fill('config.set_weights'));
});

test('a key is added once, checked, switched and removed, and its secret is in no answer', async ({ as, stage }) => {
  // One that the upstream knows, and the app does not.
  const secret = stage.upstreams.described['ai33']?.keys[0] ?? '';
  for (const key of await stage.kc.keys.list()) {
    if (key.server === 'ai33' && key.label === 'demo 1') await stage.kc.keys.remove(key.id);
  }
  const page = await as('admin');
  const answers = answersTo(page);
  await page.goto('/admin/keys');
  const open = page.getByRole('button', { name: 'Thêm key' });
  const dialog = page.getByRole('dialog', { name: 'Thêm key' });
  const add = dialog.getByRole('button', { name: 'Thêm key' });
  const row = page.getByRole('row').filter({ hasText: 'key of the test' });

  await open.click();
  await add.click();
  await expect(dialog.getByText('Từ 8 đến 4096 ký tự, không có khoảng trắng ở hai đầu')).toBeVisible();
  await dialog.getByLabel('Key bí mật').fill(secret);
  await dialog.getByLabel('Số lần gọi cùng lúc').fill('0');
  await add.click();
  await expect(dialog.getByText('Số nguyên từ 1 trở lên')).toBeVisible();
  await dialog.getByLabel('Số lần gọi cùng lúc').fill('');
  await dialog.getByLabel('Nhãn').fill('key of the test');
  await add.click();
  await expect(page.getByText(/^Đã thêm key key of the test #/)).toBeVisible();
  await expect(row).toContainText('AI33 ElevenLabs');
  const [key] = (await stage.kc.keys.list()).filter(({ label }) => label === 'key of the test');
  const id = key?.id ?? '';

  await open.click();
  await expect(dialog.getByLabel('Key bí mật')).toHaveValue('');
  await expect(dialog.getByLabel('Nhãn')).toHaveValue('');
  await dialog.getByLabel('Key bí mật').fill(secret);
  await add.click();
  await expect(page.getByText('Key này đã có, hoặc thuộc tài khoản khác')).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(dialog).toHaveCount(0);

  const check = row.getByRole('button', { name: /^Kiểm tra key/ });
  const checked = `POST /api/admin/keys/${id}/check`;
  expect(await answered(page, checked, () => check.click())).toBe(200);
  await expect(row).toContainText('Hoạt động');
  expect((await stage.kc.keys.get(id)).checkedAt).not.toBeNull();
  await stage.upstreams.kill('ai33', secret);
  await check.click();
  await expect(row).toContainText('Hỏng');

  const use = row.getByRole('switch', { name: /^Dùng key/ });
  await use.click();
  await expect(row).toContainText('Tắt');
  expect((await stage.kc.keys.get(id)).switch).toBe('off');
  await use.click();
  await expect(row).toContainText('Bật');

  const remove = row.getByRole('button', { name: /^Xóa key/ });
  const asked = page.getByRole('dialog', { name: 'Xóa key này?' });
  await remove.click();
  await expect(asked).toContainText('key of the test');
  await asked.getByRole('button', { name: 'Hủy' }).click();
  await expect(asked).toHaveCount(0);
  await expect(row).toHaveCount(1);
  await remove.click();
  const removed = `DELETE /api/admin/keys/${id}`;
  expect(await answered(page, removed, () => asked.getByRole('button', { name: 'Xóa key' }).click())).toBe(200);
  await expect(asked).toHaveCount(0);
  await expect(row).toHaveCount(0);
  expect((await stage.kc.keys.list()).map(({ id }) => id)).not.toContain(id);

  expect(await doors(stage)).toEqual(['keys.add', 'keys.disable', 'keys.enable', 'keys.remove']);
  const told = await answers();
  expect(told).toContain('key of the test');
  expect(told).not.toContain(secret);
  expect(await page.content()).not.toContain(secret);
});

test('a key is added only for a service that its server sells', async ({ as, stage }) => {
  const [known] = (await stage.kc.config.get()).servers;
  if (known === undefined) throw new Error('there is no server');
  const { protocol, baseUrl, limits } = known;
  const server = { protocol, baseUrl, limits, weight: 0 };
  await stage.kc.config.addServer('ai98', server, { services: { elevenlabs: 'off' } });
  await stage.kc.config.addServer('ai99', server, { services: { minimax: 'off' } });
  const page = await as('admin');
  await page.goto('/admin/keys');
  await page.getByRole('button', { name: 'Thêm key' }).click();
  const dialog = page.getByRole('dialog', { name: 'Thêm key' });
  const offered = dialog.getByLabel('Dịch vụ').getByRole('option');
  await expect(offered).toHaveText(['ElevenLabs', 'Minimax']);
  for (const [name, service] of [
    ['AI99', 'Minimax'],
    ['AI98', 'ElevenLabs'],
    ['AI99', 'Minimax'],
  ] as const) {
    await dialog.getByLabel('Server').selectOption(name);
    await expect(offered).toHaveText([service]);
  }
  await dialog.getByLabel('Key bí mật').fill('sk-of-a-server-that-sells-little');
  await dialog.getByLabel('Nhãn').fill('key of the test');
  await dialog.getByRole('button', { name: 'Thêm key' }).click();
  await expect(page.getByRole('row').filter({ hasText: 'key of the test' })).toContainText('AI99 Minimax');
});

test.describe('with upstreams that take their time', () => {
  test.use({ setting: { latencyMs: 3_600_000 } });

  test("a key's limits that are changed bind its next calls, and those left empty are the server's", async ({
    as,
    stage,
  }) => {
    await stage.credits('lan', 1_000);
    await stage.kc.config.setWeights({ ai33: 1, ai84: 0 });
    const [key, ...others] = (await stage.kc.keys.list()).filter(({ server, service }) => {
      return server === 'ai33' && service === 'elevenlabs';
    });
    for (const { id } of others) await stage.kc.keys.disable(id);
    const page = await as('admin');
    await page.goto('/admin/keys');
    const row = page.getByRole('row').filter({ hasText: `#${key?.id.slice(-4)}` });
    const dialog = page.getByRole('dialog', { name: 'Giới hạn' });
    await row.getByRole('button', { name: /^Đổi giới hạn/ }).click();
    await dialog.getByLabel('Số lần gọi cùng lúc').fill('1.5');
    await dialog.getByRole('button', { name: 'Lưu giới hạn' }).click();
    await expect(dialog.getByText('Số nguyên từ 1 trở lên')).toBeVisible();
    await dialog.getByLabel('Số lần gọi cùng lúc').fill('2');
    await dialog.getByRole('button', { name: 'Lưu giới hạn' }).click();
    await expect(dialog).toHaveCount(0);
    const { limits } = (await stage.kc.config.get()).servers.find(({ id }) => id === 'ai33') ?? {};
    expect((await stage.kc.keys.get(key?.id ?? '')).limits).toEqual({ ...limits, maxInFlight: 2 });
    await expect(row).toContainText(`2 cùng lúc${limits?.perMinute} mỗi phút`);
    expect(await doors(stage)).toEqual(['keys.set_limits']);

    const request = { user: 'lan', service: 'elevenlabs', voice: VOICE, text: sentences(15), pieces: 5 };
    const job = await stage.kc.submit(request);
    const states = async () => (await job.status()).tasks.map(({ state }) => state).sort();
    const [done, now, then] = ['completed', 'processing', 'pending'];
    await expect.poll(states).toEqual([then, then, then, now, now]);
    await stage.upstreams.advance(7_200_000);
    await expect.poll(states).toEqual([done, done, then, now, now]);
    await stage.upstreams.advance(7_200_000);
    await expect.poll(states).toEqual([done, done, done, done, now]);
    await stage.upstreams.advance(7_200_000);
    await job.wait();
  });
});

test('an adjustment is booked once, and what is taken beyond the balance is debt', async ({ as, stage }) => {
  const [admin, page] = await Promise.all([as('admin'), as('lan')]);
  await page.goto('/tools/credits');
  await admin.goto('/admin/users');
  const row = admin.getByRole('row').filter({ hasText: 'lan' });
  const dialog = admin.getByRole('dialog', { name: 'Điều chỉnh credits của lan' });
  const send = dialog.getByRole('button', { name: 'Điều chỉnh credits' });
  const open = async (change: string, reason: string) => {
    await row.getByRole('button', { name: 'Điều chỉnh credits của lan' }).click();
    await dialog.getByLabel('Số credits').fill(change);
    await dialog.getByLabel('Lý do').fill(reason);
  };

  await open('0', '');
  for (const wrong of ['0', '1.5', '1.000', 'mười', '']) {
    await dialog.getByLabel('Số credits').fill(wrong);
    await send.click();
    await expect(dialog.getByText('Số nguyên khác 0, có thể âm'), wrong).toBeVisible();
  }
  await expect(dialog.getByText('Từ 1 đến 85 ký tự')).toBeVisible();
  expect(await stage.kc.wallets.history('lan')).toEqual([]);

  await dialog.getByLabel('Số credits').fill('1000');
  // As long as one may be, of letters that are long themselves.
  await dialog.getByLabel('Lý do').fill('ữ'.repeat(85));
  await send.dblclick();
  await expect(dialog).toHaveCount(0);
  await expect(credits(page)).toHaveText('1.000');
  expect(await stage.kc.wallets.history('lan')).toMatchObject([
    { kind: 'adjustment', amount: 1_000, balanceAfter: 1_000, reference: 'ữ'.repeat(85) },
  ]);

  await open('-1500', 'chargeback');
  await send.click();
  await expect(dialog).toHaveCount(0);
  await expect(credits(page)).toHaveText('0');
  await expect(page.getByText('nợ 500')).toBeVisible();
  await expect(row.locator('td').nth(6)).toHaveText('500');
  expect(await stage.kc.wallets.get('lan')).toMatchObject({ balance: 0, debt: 500 });
  expect(await doors(stage)).toEqual(['wallets.adjust', 'wallets.adjust']);

  await open('700', 'goodwill');
  await send.click();
  await expect(dialog).toHaveCount(0);
  await expect(credits(page)).toHaveText('200');
  await expect(page.getByText('nợ 500')).toHaveCount(0);

  const headers = { Origin: stage.url };
  const post = (change: string) => {
    const data = { change, reason: 'test', idempotencyKey: 'adjustment-of-a-test' };
    return admin.request.post('/api/admin/users/lan/adjustments', { headers, data });
  };
  for (const answer of await Promise.all([post('7'), post('7'), post('7')])) {
    expect(await answer.json()).toEqual({ amount: 7, becameDebt: 0, paidDebt: 0, balanceAfter: 207 });
  }
  expect((await post('8')).status()).toBe(409);
  const kinds = (await stage.kc.wallets.history('lan')).map(({ kind }) => kind);
  expect(kinds).toEqual(['adjustment', 'debt_payment', 'adjustment', 'adjustment', 'adjustment']);
});

test('the audit has every change with who made it, and its pages lose and double nothing', async ({ as, stage }) => {
  const page = await as('admin');
  await page.goto('/admin/system');
  await page.getByRole('switch', { name: 'AI33 Minimax' }).click();
  await expect(page.getByRole('switch', { name: 'AI33 Minimax' })).not.toBeChecked();
  await page.goto('/admin/audit');
  const rows = page.locator('tbody tr');
  await expect(rows.first().locator('td').nth(1)).toHaveText('admin');
  await expect(rows.first().locator('td').nth(2)).toHaveText('config.set_route');
  await expect(rows.first().locator('td').nth(3)).toContainText('minimax');

  const other = stage.kc.acting({ actor: 'x', role: 'operator' }).config;
  for (let weight = 1; weight <= 90; weight += 1) await other.setWeights({ ai33: weight, ai84: 1_000_000 });
  const audit = await stage.kc.ofAll().reports.audit({ limit: 1_000 });
  await page.reload();
  for (let shown = 50; shown < audit.length; shown += 50) {
    await expect(rows).toHaveCount(shown);
    await page.getByRole('button', { name: 'Xem thêm' }).click();
  }
  await expect(rows).toHaveCount(audit.length);
  await expect(page.getByRole('button', { name: 'Xem thêm' })).toHaveCount(0);
  const changes = audit.map(({ actor, door, detail }) => [actor, door, detail]);
  expect((await cells(page, 'Nhật ký quản trị')).map((row) => row.slice(1))).toEqual(changes);
});

test('statistics equal what was charged, errors are told by route, and a verification finds all well', async ({
  as,
  stage,
}) => {
  await stage.credits('lan', 100_000);
  const secret = stage.upstreams.described['ai33']?.keys[0] ?? '';
  await spoken(stage, 'elevenlabs', 10);
  await stage.upstreams.kill('ai33', secret);
  await spoken(stage, 'elevenlabs', 10);
  await spoken(stage, 'minimax', 10);

  const page = await as('admin');
  await page.goto('/admin/statistics');
  const usage = await stage.kc.reports.usage({ limit: 1_000 });
  const entries = await stage.kc.wallets.history('lan', { limit: 1_000 });
  const charged = (route?: string) =>
    entries
      .filter((entry) => entry.kind === 'usage' && (route === undefined || entry.route === route))
      .reduce((sum, { amount }) => sum - Number(amount), 0);
  expect(charged()).toBe(sentences(30).length * 3);
  const routes = [
    ['AI33 ElevenLabs', 'ai33_elevenlabs'],
    ['AI33 Minimax', 'ai33_minimax'],
    ['AI84 ElevenLabs', 'ai84_elevenlabs'],
    ['AI84 Minimax', 'ai84_minimax'],
  ] as const;

  const days = page.getByRole('table', { name: 'Credits đã trừ theo ngày' });
  await expect(days.locator('tbody tr')).toHaveCount(7);
  await expect(days.locator('th')).toHaveText(['Ngày', ...routes.map(([name]) => name), 'Tổng']);
  const columns = (await cells(page, 'Credits đã trừ theo ngày')).map((row) => row.slice(1).map(numberOf));
  const sums = columns.reduce((sums, row) => sums.map((sum, place) => sum + (row[place] ?? 0)));
  expect(sums).toEqual([...routes.map(([, route]) => charged(route)), charged()]);

  const calls = (route: string) => usage.filter((record) => record.route === route);
  const failed = (route: string) => calls(route).filter(({ isDone }) => !isDone).length;
  expect(failed('ai33_elevenlabs')).toBeGreaterThan(0);
  const counted = await cells(page, 'Số lần gọi và ký tự');
  // A credit is a character here.
  expect(counted.map(([name, ...counts]) => [name, ...counts.map(numberOf)])).toEqual(
    routes.map(([name, route]) => [name, calls(route).length, charged(route), charged(route)]),
  );
  const rates = await cells(page, 'Tỷ lệ lỗi');
  expect(rates.map(([name, ...counts]) => [name, ...counts.map(numberOf)])).toEqual(
    routes.map(([name, route]) => {
      const percent = Math.round((1_000 * failed(route)) / calls(route).length) / 10;
      return [name, percent, failed(route), calls(route).length];
    }),
  );
  await page.getByLabel('Khoảng thời gian').selectOption('30 ngày');
  await expect(days.locator('tbody tr')).toHaveCount(30);

  await page.goto('/admin/errors');
  const rows = page.locator('tbody tr');
  await expect(rows).toHaveCount(failed('ai33_elevenlabs'));
  await page.getByLabel('Server và dịch vụ').selectOption('AI84 Minimax');
  await expect(page.getByText('Chưa có gì.')).toBeVisible();
  await page.getByLabel('Server và dịch vụ').selectOption('AI33 ElevenLabs');
  await expect(rows).toHaveCount(failed('ai33_elevenlabs'));
  await expect(rows.first()).toContainText('AI33 ElevenLabs');
  await expect(rows.first()).toContainText('Key nghi ngờ');
  await expect(rows.first()).toContainText('401');
  expect(await page.content()).not.toContain(secret);

  await page.goto('/admin/system');
  await page.getByRole('button', { name: 'Đối soát ngay' }).click();
  await expect(page.getByText('Không có sai lệch')).toBeVisible();
  const { wallets, jobs, limits } = await stage.kc.verify();
  expect([wallets, jobs]).toEqual([1, 3]);
  await expect(page.getByText(`Đã đếm ${wallets} ví, ${jobs} công việc, ${limits} giới hạn.`)).toBeVisible();
});

test('what no door takes is refused, and changes nothing', async ({ as, stage }) => {
  const page = await as('admin');
  const [key] = await stage.kc.keys.list();
  const [route, one] = ['/api/admin/routes/ai33/elevenlabs', `/api/admin/keys/${key?.id}`];
  const added = { server: 'ai33', service: 'elevenlabs', secret: 'a secret of the test', label: '', account: '' };
  const adjusted = { change: '5', reason: 'test', idempotencyKey: 'adjustment-of-a-test' };
  const nobody = '01a20089-319f-7897-bd70-efe0a306c618';
  const wrong: readonly (readonly [method: string, path: string, bodies: readonly unknown[]])[] = [
    ['PUT', route, ['no JSON', null, {}, { switch: 'perhaps' }, { switch: true }]],
    ['PUT', '/api/admin/routes/AI33/elevenlabs', [{ switch: 'off' }]],
    ['PUT', '/api/admin/routes/ai33/..%2Fminimax', [{ switch: 'off' }]],
    [
      'PUT',
      '/api/admin/maintenance',
      [
        'no JSON',
        {},
        { isFull: 'yes', services: [] },
        { isFull: true },
        { isFull: false, services: 'minimax' },
        { isFull: false, services: ['Minimax!'] },
        { isFull: false, services: Array(101).fill('minimax') },
      ],
    ],
    [
      'PUT',
      '/api/admin/weights',
      [
        'no JSON',
        [],
        {},
        { ai33: -1 },
        { ai33: 1.5 },
        { ai33: '70' },
        { ai33: null },
        { ai33: 1_000_001 },
        { ai33: 0, ai84: 0 },
        { 'AI 33': 70 },
      ],
    ],
    [
      'POST',
      '/api/admin/keys',
      [
        'no JSON',
        {},
        { ...added, secret: 'short' },
        { ...added, secret: ' a secret of the test' },
        { ...added, secret: 'x'.repeat(4_097) },
        { ...added, secret: 12345678 },
        { ...added, label: 'x'.repeat(61) },
        { ...added, account: 'x'.repeat(61) },
        { ...added, server: 'AI 33' },
        { ...added, maxInFlight: 0 },
        { ...added, perMinute: '5' },
      ],
    ],
    [
      'PATCH',
      one,
      [
        'no JSON',
        {},
        { switch: 'perhaps' },
        { switch: 'off', limits: {} },
        { limits: { maxInFlight: 0 } },
        { limits: { perMinute: 1.5 } },
        { limits: { perMinute: 100_001 } },
        { limits: { atOnce: 1 } },
      ],
    ],
    ['PATCH', '/api/admin/keys/no-uuid', [{ switch: 'off' }]],
    ['DELETE', '/api/admin/keys/no-uuid', [undefined]],
    ['POST', '/api/admin/keys/no-uuid/check', [undefined]],
    [
      'POST',
      '/api/admin/users/lan/adjustments',
      [
        'no JSON',
        {},
        { ...adjusted, change: '0' },
        { ...adjusted, change: '-0' },
        { ...adjusted, change: '1.5' },
        { ...adjusted, change: '1e3' },
        { ...adjusted, change: 5 },
        { ...adjusted, change: '1'.repeat(16) },
        { ...adjusted, reason: '' },
        { ...adjusted, reason: '   ' },
        { ...adjusted, reason: 'x'.repeat(86) },
        { ...adjusted, reason: 'two\nlines' },
        { ...adjusted, idempotencyKey: 'short' },
        { change: '5', reason: 'test' },
      ],
    ],
    ['GET', '/api/admin/statistics', [undefined]],
    ['GET', '/api/admin/statistics?days=2', [undefined]],
    ['GET', '/api/admin/statistics?days=', [undefined]],
    ['GET', '/api/admin/errors?before=yesterday', [undefined]],
    ['GET', '/api/admin/errors?server=AI%2033&service=minimax', [undefined]],
    ['GET', '/api/admin/audit?before=yesterday', [undefined]],
    ['GET', `/api/admin/audit?before=${nobody}x`, [undefined]],
  ];
  const unknown: readonly (readonly [method: string, path: string, body: unknown, status: number])[] = [
    ['PUT', '/api/admin/routes/ai33/nothing', { switch: 'off' }, 409],
    ['PUT', '/api/admin/routes/nowhere/minimax', { switch: 'off' }, 409],
    ['PUT', '/api/admin/maintenance', { isFull: false, services: ['nothing'] }, 409],
    ['PUT', '/api/admin/weights', { nowhere: 5 }, 409],
    ['POST', '/api/admin/keys', { ...added, server: 'nowhere' }, 404],
    ['POST', '/api/admin/keys', { ...added, service: 'nothing' }, 409],
    ['PATCH', `/api/admin/keys/${nobody}`, { switch: 'off' }, 404],
    ['PATCH', `/api/admin/keys/${nobody}`, { limits: {} }, 404],
    ['DELETE', `/api/admin/keys/${nobody}`, undefined, 404],
    ['POST', `/api/admin/keys/${nobody}/check`, undefined, 404],
    ['POST', '/api/admin/users/nobody/adjustments', adjusted, 404],
  ];
  const everything = async () => {
    const { keys, config, wallets } = stage.kc;
    const { reports } = stage.kc.ofAll();
    const system = await config.get();
    return [system, await keys.list(), await wallets.history('lan'), await reports.audit({ limit: 1_000 })];
  };
  const send = async (method: string, path: string, data: unknown) => {
    const headers = { Origin: stage.url, 'Content-Type': 'application/json' };
    const answer = await page.request.fetch(path, { method, headers, ...(data === undefined ? {} : { data }) });
    return answer.status();
  };
  const before = await everything();
  for (const [method, path, bodies] of wrong) {
    for (const body of bodies) {
      expect.soft(await send(method, path, body), `${method} ${path} ${JSON.stringify(body)}`).toBe(422);
    }
  }
  for (const [method, path, body, status] of unknown) {
    expect.soft(await send(method, path, body), `${method} ${path} ${JSON.stringify(body)}`).toBe(status);
  }
  expect(await everything()).toEqual(before);
});
