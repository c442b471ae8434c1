import { answered, credits, expect, jobIs, sentences, speak, test, write, VOICE } from './stage';

test('a text of ten tasks is priced, split 70 to 30, spoken in order and charged exactly', async ({ as, stage }) => {
  await stage.credits('lan', 10_000);
  const page = await as('lan');
  const text = sentences(100);
  const price = [...text].length;
  await write(page, text, '10');
  await expect(page.getByTestId('count')).toContainText('10 task');
  await expect(page.getByTestId('price')).toHaveText(`${price.toLocaleString('vi-VN')} credits`);
  await speak(page);
  await jobIs(page, 'completed');

  const tasks = page.getByTestId('task');
  await expect(tasks).toHaveCount(10);
  await expect(page.locator('[data-route=ai33_elevenlabs]')).toHaveCount(7);
  await expect(page.locator('[data-route=ai84_elevenlabs]')).toHaveCount(3);
  await expect(page.getByTestId('charged')).toHaveText(`Đã trừ ${price.toLocaleString('vi-VN')} credits`);
  await expect(credits(page)).toHaveText((10_000 - price).toLocaleString('vi-VN'));

  // The player has all of it: as long as its parts together.
  const [job] = await stage.kc.jobs({ user: 'lan' });
  const whole = await stage.kc.job(job?.id ?? '').result();
  const player = page.locator('audio');
  await expect.poll(() => player.evaluate((audio: HTMLAudioElement) => audio.duration)).toBeGreaterThan(1);
  const seconds = await player.evaluate((audio: HTMLAudioElement) => audio.duration);
  expect(whole.kind === 'speech' && whole.durationMs).toBeTruthy();
  const expected = whole.kind === 'speech' ? whole.durationMs / 1000 : 0;
  expect(Math.abs(seconds - expected)).toBeLessThan(0.5);

  const download = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Tải âm thanh' }).click();
  expect((await download).suggestedFilename()).toBe(`${job?.id}.mp3`);
});

test('a job that is done shows its subtitles, and all of its progress', async ({ as, stage }) => {
  await stage.credits('lan', 1_000);
  await stage.kc.config.setWeights({ ai33: 1, ai84: 0 });
  const page = await as('lan');
  await write(page, 'Xin chào các bạn.');
  await speak(page);
  await jobIs(page, 'completed');
  await expect(page.getByRole('list', { name: 'Phụ đề' })).toContainText('Xin chào các bạn.');
  await expect(page.getByRole('link', { name: 'Tải phụ đề' })).toBeVisible();
  await expect(page.getByRole('progressbar')).toHaveAttribute('aria-valuenow', '100');
});

test('a text may come from a file', async ({ as }) => {
  const page = await as('lan');
  await page.goto('/tools/speech');
  const file = page.getByLabel('Hoặc tải lên tệp văn bản (.txt)');
  await file.setInputFiles({ name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('Một câu chuyện.') });
  await expect(page.getByLabel('Văn bản', { exact: true })).toHaveValue('Một câu chuyện.');
  await file.setInputFiles({ name: 'b.txt', mimeType: 'text/plain', buffer: Buffer.from([0xff, 0xfe, 0x00]) });
  await expect(page.getByText('Tệp không phải là văn bản UTF-8')).toBeVisible();
  await file.setInputFiles({ name: 'c.txt', mimeType: 'text/plain', buffer: Buffer.alloc(400_000, 'a') });
  await expect(page.getByText('Tệp quá lớn')).toBeVisible();
  await expect(page.getByLabel('Văn bản', { exact: true })).toHaveValue('Một câu chuyện.');
});

test('a form that is not filled in says what is missing, and sends nothing', async ({ as, stage }) => {
  const page = await as('lan');
  await page.goto('/tools/speech');
  await page.getByRole('button', { name: 'Tạo giọng nói' }).click();
  await expect(page.getByRole('alert').filter({ hasText: 'Hãy chọn giọng đọc' })).toBeVisible();
  await expect(page.getByRole('alert').filter({ hasText: 'Hãy nhập văn bản' })).toBeVisible();
  expect(await stage.kc.jobs({ user: 'lan' })).toEqual([]);
});

test('who has too few credits is told how many are missing, and nothing is done', async ({ as, stage }) => {
  await stage.credits('lan', 10);
  const page = await as('lan');
  await write(page, 'Mười hai chữ.');
  await expect(page.getByText('Không đủ credits: còn thiếu 3.')).toBeVisible();
  const send = () => page.getByRole('button', { name: 'Tạo giọng nói' }).click();
  expect(await answered(page, 'POST /api/speech', send)).toBe(402);
  await expect(page.getByRole('alert').filter({ hasText: /credits/i })).toBeVisible();
  expect(await stage.kc.jobs({ user: 'lan' })).toEqual([]);
  await expect(credits(page)).toHaveText('10');

  // Once there are enough, the same form goes through.
  await stage.kc.wallets.adjust('lan', 90, { reason: 'test', idempotencyKey: 'more' });
  await send();
  await jobIs(page, 'completed');
  await expect(credits(page)).toHaveText('87');
});

test.describe('with upstreams that take their time', () => {
  test.use({ setting: { latencyMs: 3_600_000 } });

  test('a job that is cancelled gives back what was not begun', async ({ as, stage }) => {
    await stage.credits('lan', 10_000);
    for (const key of await stage.kc.keys.list())
      await stage.kc.keys.setLimits(key.id, { maxInFlight: 1, perMinute: 10 });
    const page = await as('lan');
    await write(page, sentences(100), '20');
    await speak(page);
    await expect(page.locator('[data-testid=task][data-state=processing]')).toHaveCount(6);
    const [begun] = await stage.kc.jobs({ user: 'lan' });
    const cancel = () => page.getByRole('button', { name: 'Hủy công việc' }).click();
    expect(await answered(page, `DELETE /api/jobs/${begun?.id}`, cancel)).toBe(200);
    await stage.upstreams.advance(7_200_000);
    await jobIs(page, 'cancelled');
    const [job] = await stage.kc.jobs({ user: 'lan' });
    expect(job?.charged).toBeGreaterThan(0);
    expect(Number(job?.charged)).toBeLessThan(sentences(100).length / 2);
    await expect(credits(page)).toHaveText((10_000 - Number(job?.charged)).toLocaleString('vi-VN'));
  });

  test('maintenance in the middle lets running calls end, holds the rest, and lifts without loss', async ({
    as,
    stage,
  }) => {
    await stage.credits('lan', 10_000);
    for (const key of await stage.kc.keys.list())
      await stage.kc.keys.setLimits(key.id, { maxInFlight: 1, perMinute: 10 });
    const [page, admin] = await Promise.all([as('lan'), as('admin')]);
    await write(page, sentences(100), '10');
    await speak(page);
    const running = page.locator('[data-testid=task][data-state=processing]');
    const done = page.locator('[data-testid=task][data-state=completed]');
    await expect(running).toHaveCount(6);

    await admin.goto('/admin/system');
    await admin.getByLabel('Bảo trì dịch vụ').check();
    await admin.getByRole('checkbox', { name: 'ElevenLabs' }).check();
    await admin.getByRole('button', { name: 'Lưu bảo trì' }).click();
    await expect(page.getByTestId('notice')).toHaveText('ElevenLabs đang bảo trì');
    await expect(page.getByTestId('server-ai33')).toContainText('ElevenLabs: Bảo trì');
    await expect(page.getByTestId('server-ai33')).toContainText('Minimax: Hoạt động');
    const send = () => page.getByRole('button', { name: 'Tạo giọng nói' }).click();
    expect(await answered(page, 'POST /api/speech', send)).toBe(503);
    await expect(page.getByRole('alert').filter({ hasText: 'ElevenLabs đang bảo trì' }).last()).toBeVisible();

    await stage.upstreams.advance(7_200_000);
    await expect(done).toHaveCount(6);
    await expect(running).toHaveCount(0);
    expect(await stage.kc.jobs({ user: 'lan' })).toHaveLength(1);

    await admin.getByLabel('Không bảo trì').check();
    await admin.getByRole('button', { name: 'Lưu bảo trì' }).click();
    await expect(page.getByTestId('notice')).toHaveCount(0);
    // All of them on one server, which has three keys.
    await expect(running).toHaveCount(3);
    await stage.upstreams.advance(7_200_000);
    await expect(done).toHaveCount(9);
    await expect(running).toHaveCount(1);
    await stage.upstreams.advance(7_200_000);
    await jobIs(page, 'completed');
    await expect(credits(page)).toHaveText((10_000 - [...sentences(100)].length).toLocaleString('vi-VN'));
  });
});

test('a key that dies takes no work with it', async ({ as, stage }) => {
  await stage.credits('lan', 10_000);
  const [key] = stage.upstreams.described['ai33']?.keys ?? [];
  const [page, admin] = await Promise.all([as('lan'), as('admin')]);
  await write(page, sentences(100), '10');
  await stage.upstreams.kill('ai33', key ?? '');
  await speak(page);
  await jobIs(page, 'completed');

  await admin.goto('/admin/keys');
  const row = admin.getByRole('row').filter({ hasText: 'AI33 ElevenLabs' }).filter({ hasText: 'demo 1' });
  await expect(row).toContainText('Hỏng');
  await admin.goto('/admin/errors');
  await expect(admin.getByRole('row').filter({ hasText: 'Key nghi ngờ' })).not.toHaveCount(0);
});

test('the split that was moved is seen in the next job', async ({ as, stage }) => {
  await stage.credits('lan', 10_000);
  const [page, admin] = await Promise.all([as('lan'), as('admin')]);
  await admin.goto('/admin/system');
  const slider = admin.getByRole('slider');
  await slider.focus();
  await slider.press('Home');
  for (let steps = 0; steps < 20; steps += 1) await slider.press('ArrowRight');
  await admin.getByRole('button', { name: 'Lưu tỷ lệ' }).click();
  await expect.poll(async () => (await stage.kc.config.get()).servers.map(({ weight }) => weight)).toEqual([20, 80]);

  await write(page, sentences(100), '10');
  await speak(page);
  await jobIs(page, 'completed');
  await expect(page.locator('[data-testid=task][data-route=ai33_elevenlabs]')).toHaveCount(2);
  await expect(page.locator('[data-testid=task][data-route=ai84_elevenlabs]')).toHaveCount(8);
  await admin.reload();
  const achieved = admin.getByRole('region', { name: 'Tỷ lệ đạt được' });
  await expect(achieved.getByRole('row').filter({ hasText: 'AI33' }).first()).toContainText('20');
});

test('an app that is told to end finishes what it has begun', async ({ as, stage }) => {
  await stage.credits('lan', 10_000);
  const page = await as('lan');
  await write(page, sentences(20), '5');
  await page.getByRole('button', { name: 'Tạo giọng nói' }).click();
  await expect(page.locator('[data-testid=task][data-state=processing]')).not.toHaveCount(0);
  const [begun] = await stage.kc.jobs({ user: 'lan' });
  await stage.end();
  const { tasks } = await stage.kc.job(begun?.id ?? '').status();
  expect(tasks.filter(({ state }) => state === 'processing')).toEqual([]);
  expect(tasks.filter(({ state }) => state === 'completed')).not.toEqual([]);
});

test("another user's job is not there", async ({ as, stage }) => {
  await stage.credits('lan', 100);
  const job = await stage.kc.submit({ user: 'lan', text: 'Bí mật.', service: 'elevenlabs', voice: VOICE });
  await job.wait();
  const page = await as('minh');
  for (const part of ['', '/events', '/audio', '/subtitles']) {
    const answer = await page.request.get(`/api/jobs/${job.id}${part}`);
    expect(answer.status(), part).toBe(404);
    expect(await answer.text()).not.toContain('Bí mật');
  }
  const cancelled = await page.request.delete(`/api/jobs/${job.id}`, { headers: { Origin: stage.url } });
  expect(cancelled.status()).toBe(404);
  expect((await page.request.get('/api/jobs/no-uuid')).status()).toBe(422);
});

test('a form that is sent again is one job, and another text with its key is refused', async ({ as, stage }) => {
  await stage.credits('lan', 1_000);
  const page = await as('lan');
  const asked = {
    service: 'elevenlabs',
    voice: { from: 'service', voice: VOICE },
    text: 'Một lần thôi.',
    speed: 100,
    subtitles: 'no',
    idempotencyKey: 'form-of-a-test',
  };
  const headers = { Origin: stage.url };
  const sent = await Promise.all([1, 2, 3].map(() => page.request.post('/api/speech', { headers, data: asked })));
  const ids = await Promise.all(sent.map(async (answer) => ((await answer.json()) as { job: { id: string } }).job.id));
  expect(new Set(ids).size).toBe(1);
  const half = await page.request.post('/api/speech', { headers, data: { ...asked, text: 'Một nửa \ud800' } });
  expect(half.status()).toBe(422);
  const other = await page.request.post('/api/speech', { headers, data: { ...asked, text: 'Hai lần.' } });
  expect(other.status()).toBe(409);
  await stage.kc.job(ids[0] ?? '').wait();
  await page.goto('/tools/credits');
  await expect(credits(page)).toHaveText('987');
});

test('a player may ask for a part of the audio', async ({ as, stage }) => {
  await stage.credits('lan', 100);
  const job = await stage.kc.submit({ user: 'lan', text: 'Một phần.', service: 'elevenlabs', voice: VOICE });
  await job.wait();
  const page = await as('lan');
  const address = `/api/jobs/${job.id}/audio`;
  const part = (range: string, more = {}) => page.request.get(address, { headers: { Range: range, ...more } });
  const all = await page.request.get(address);
  const whole = await all.body();
  const { length } = whole;
  const etag = all.headers()['etag'] ?? '';
  expect(all.headers()['accept-ranges']).toBe('bytes');
  for (const [range, start, end] of [
    ['bytes=0-9', 0, 10],
    [`bytes=${length - 5}-`, length - 5, length],
    [`bytes=5-${length + 99}`, 5, length],
    ['bytes=-7', length - 7, length],
    [`bytes=-${length + 99}`, 0, length],
  ] as const) {
    for (const version of [{}, { 'If-Range': etag }]) {
      const answer = await part(range, version);
      expect(answer.status(), range).toBe(206);
      expect((await answer.body()).equals(whole.subarray(start, end)), range).toBe(true);
      expect(answer.headers()['content-range'], range).toBe(`bytes ${start}-${end - 1}/${length}`);
    }
  }
  for (const range of [`bytes=${length}-`, `bytes=${length}-${length + 1}`, 'bytes=-0']) {
    const answer = await part(range);
    expect(answer.status(), range).toBe(416);
    expect(answer.headers()['content-range'], range).toBe(`bytes */${length}`);
  }
  // What is no range, several, of another unit or of another version is left aside.
  for (const [range, version] of [
    ['bytes=9-3', {}],
    ['bytes=-', {}],
    ['bytes=0-1,5-6', {}],
    ['lines=1-2', {}],
    ['bytes=0-9', { 'If-Range': '"another"' }],
  ] as const) {
    const answer = await part(range, version);
    expect(answer.status(), range).toBe(200);
    expect((await answer.body()).equals(whole), range).toBe(true);
  }
  const head = await page.request.head(address, { headers: { Range: 'bytes=0-9' } });
  expect([head.status(), (await head.body()).length]).toEqual([200, 0]);
});
