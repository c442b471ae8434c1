import { expect, jobIs, sentences, speak, test, write, VOICE } from './stage';

test('the history adds up to the balance, in the table and in the CSV', async ({ as, stage }) => {
  const page = await as('lan');
  await page.goto('/tools/credits');
  await page.getByRole('button', { name: 'Mua Package 1' }).click();
  await page.getByRole('button', { name: 'Trả $5' }).click();
  await expect(page.getByText('Cổng thanh toán báo đã trả')).toBeVisible();
  await write(page, sentences(60), '5');
  await speak(page);
  await jobIs(page, 'completed');
  const { tasks } = await stage.kc.job((await stage.kc.jobs({ user: 'lan' }))[0]?.id ?? '').status();
  const refund = { reason: 'test', idempotencyKey: 'refund-1' };
  await stage.kc.wallets.refund('lan', tasks[0]?.id ?? '', refund);

  await page.goto('/history');
  const rows = page.locator('tbody tr');
  await expect(rows).toHaveCount(7);
  const amounts = await rows.locator('td:nth-child(4)').allTextContents();
  const sum = amounts.reduce((total, text) => total + Number(text.replaceAll('.', '')), 0);
  const { balance } = await stage.kc.wallets.get('lan');
  expect(sum).toBe(balance);
  await expect(rows.first().locator('td:nth-child(5)')).toHaveText(Number(balance).toLocaleString('vi-VN'));

  await page.getByLabel('Loại').selectOption('usage');
  await expect(rows).toHaveCount(5);
  const download = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Tải CSV' }).click();
  const csv = await (await download).createReadStream();
  const lines = (await csv.toArray()).join('').trim().split('\r\n');
  expect(lines).toHaveLength(6);
  expect(lines.slice(1).every((line) => line.includes(',usage,-'))).toBe(true);

  const day = new Date(Date.now() - 48 * 60 * 60 * 1000).toISOString().slice(0, 10);
  await page.getByLabel('Đến ngày').fill(day);
  await expect(rows).toHaveCount(0);
});

test('a long history comes page by page', async ({ as, stage }) => {
  for (let number = 1; number <= 60; number += 1) {
    await stage.kc.wallets.adjust('lan', 1, { reason: 'test', idempotencyKey: `gift-${number}` });
  }
  const page = await as('lan');
  await page.goto('/history');
  await expect(page.locator('tbody tr')).toHaveCount(50);
  await page.getByRole('button', { name: 'Xem thêm' }).click();
  await expect(page.locator('tbody tr')).toHaveCount(60);
  await expect(page.locator('tbody tr').last().locator('td').first()).toHaveText('1');
});

test('jobs are listed newest first, and open again', async ({ as, stage }) => {
  await stage.credits('lan', 100);
  for (const text of ['Một.', 'Hai.']) {
    await (await stage.kc.submit({ user: 'lan', text, service: 'elevenlabs', voice: VOICE })).wait();
  }
  const page = await as('lan');
  await page.goto('/tools/speech');
  const open = page.getByRole('button', { name: /^Mở công việc/ });
  await expect(open).toHaveCount(2);
  await open.first().click();
  await jobIs(page, 'completed');
});
