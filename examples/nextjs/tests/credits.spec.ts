import { referenceOf, seal, signature, type Order } from '../server/payments';
import { credits, expect, sentences, speak, test, write, jobIs } from './stage';

const CALLBACK = '/api/payments/callback';
const ORDER: Order = {
  user: 'lan',
  package: 'package-1',
  credits: '1000000',
  unit: 'credit',
  price: '5',
  currency: 'usd',
  nonce: 'nonce-of-a-test',
};

const BOOKED = { amount: 1_000_000, becameDebt: 0, paidDebt: 0, balanceAfter: 1_000_000 };

function callback(order: Order, more: object = {}): { data: string; headers: Record<string, string> } {
  const told = { payment: seal(order), state: 'paid', amount: order.price, currency: order.currency, ...more };
  const data = JSON.stringify(told);
  const signed = signature(data, Math.floor(Date.now() / 1000));
  return { data, headers: { 'Content-Type': 'application/json', 'x-gateway-signature': signed } };
}

test('eight packages are sold, each dearer one with a larger bonus', async ({ as }) => {
  const page = await as('lan');
  await page.goto('/');
  await expect(page).toHaveURL(/\/tools\/credits$/);
  const buttons = page.getByRole('button', { name: /^Mua / });
  await expect(buttons).toHaveCount(8);
  await expect(page.getByRole('listitem').filter({ hasText: '10.800.000' })).toContainText('Thưởng 35%');
});

test('credits that are paid for are in the wallet, and are booked once', async ({ as, stage }) => {
  const page = await as('lan');
  await page.goto('/tools/credits');
  await page.getByRole('button', { name: 'Mua Package 8' }).click();
  await page.waitForURL('**/pay?**');
  await expect(page.getByText('10.800.000')).toBeVisible();
  const address = page.url();
  await page.getByRole('button', { name: 'Trả $40' }).click();
  await expect(page.getByText('Cổng thanh toán báo đã trả')).toBeVisible();
  await expect(credits(page)).toHaveText('10.800.000');

  await page.goto(address);
  await page.getByRole('button', { name: 'Trả $40' }).click();
  await expect(credits(page)).toHaveText('10.800.000');
  expect(await stage.kc.wallets.history('lan')).toHaveLength(1);
});

test('a payment that is declined moves nothing', async ({ as, stage }) => {
  const page = await as('lan');
  await page.goto('/tools/credits');
  await page.getByRole('button', { name: 'Mua Package 1' }).click();
  await page.getByRole('button', { name: 'Từ chối thanh toán' }).click();
  await expect(page.getByText('Thanh toán không thành công')).toBeVisible();
  await expect(credits(page)).toHaveText('0');
  expect(await stage.kc.wallets.history('lan')).toEqual([]);
});

test('a callback that the gateway did not sign, or that says something else than was ordered, books nothing', async ({
  request,
  stage,
}) => {
  const right = callback(ORDER);
  const [changed] = seal({ ...ORDER, user: 'minh' }).split('.');
  const forMinh = `${changed}.${seal(ORDER).split('.')[1]}`;
  const forged: [name: string, sent: ReturnType<typeof callback>, status: number][] = [
    ['no signature', { ...right, headers: { 'Content-Type': 'application/json' } }, 403],
    ['a signature of something else', { ...right, data: right.data.replace('"5"', '"6"') }, 403],
    [
      'a signature that is old',
      { ...right, headers: { ...right.headers, 'x-gateway-signature': signature(right.data, 1_700_000_000) } },
      403,
    ],
    ['an order that was changed', callback(ORDER, { payment: forMinh }), 404],
    ['less than the price', callback(ORDER, { amount: '4' }), 409],
    ['another currency', callback(ORDER, { currency: 'credit' }), 409],
    ['no JSON', { ...callback(ORDER), data: 'paid!' }, 403],
    ['a state that there is not', callback(ORDER, { state: 'perhaps' }), 422],
  ];
  for (const [name, sent, status] of forged) {
    expect((await request.post(CALLBACK, sent)).status(), name).toBe(status);
  }
  expect(await stage.kc.wallets.history('lan')).toEqual([]);

  const cheaper = { ...ORDER, price: '4' };
  expect((await request.post(CALLBACK, callback(cheaper))).status(), 'an order at an old price').toBe(409);
  const more = { ...ORDER, credits: '2000000' };
  expect((await request.post(CALLBACK, callback(more))).status(), 'an order of more credits').toBe(409);
  expect(await stage.kc.wallets.history('lan')).toEqual([]);

  for (let times = 0; times < 3; times += 1) {
    const answer = await request.post(CALLBACK, callback(ORDER));
    expect(await answer.json()).toEqual({ booked: BOOKED });
  }
  expect((await stage.kc.wallets.history('lan')).map(({ reference }) => reference)).toEqual([referenceOf(ORDER)]);

  // Booked is booked, also when the callback comes again after the package was changed or is gone.
  const [smallest] = await stage.kc.packages.list();
  if (smallest === undefined) throw new Error('there are no packages');
  const changes = [
    () => stage.kc.packages.set({ ...smallest, price: '6' }),
    () => stage.kc.packages.set({ ...smallest, switch: 'off' }),
    () => stage.kc.packages.remove(ORDER.package),
  ];
  for (const change of changes) {
    await change();
    const again = await request.post(CALLBACK, callback(ORDER));
    expect(await again.json()).toEqual({ booked: BOOKED });
    const another = await request.post(CALLBACK, callback({ ...ORDER, nonce: 'another' }));
    expect(another.status()).toBe(409);
  }
  expect(await stage.kc.wallets.history('lan')).toHaveLength(1);
});

test('two tabs that buy and spend at once leave what was bought less what was spoken', async ({ as, stage }) => {
  const buying = await as('lan');
  const speaking = await buying.context().newPage();
  await stage.credits('lan', 5_000);
  const text = sentences(20);
  await write(speaking, text);
  await buying.goto('/tools/credits');
  await buying.getByRole('button', { name: 'Mua Package 1' }).click();
  await Promise.all([speak(speaking), buying.getByRole('button', { name: 'Trả $5' }).click()]);
  await jobIs(speaking, 'completed');

  const left = (1_005_000 - [...text].length).toLocaleString('vi-VN');
  await expect(credits(buying)).toHaveText(left);
  await expect(credits(speaking)).toHaveText(left);
});
