import { expect, jobIs, speak, test } from './stage';

/** Half a second of silence as WAV. */
function recording(): Buffer {
  const file = Buffer.alloc(44 + 8_000);
  file.write('RIFF', 0);
  file.writeUInt32LE(36 + 8_000, 4);
  file.write('WAVEfmt ', 8);
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20);
  file.writeUInt16LE(1, 22);
  file.writeUInt32LE(8_000, 24);
  file.writeUInt32LE(16_000, 28);
  file.writeUInt16LE(2, 32);
  file.writeUInt16LE(16, 34);
  file.write('data', 36);
  file.writeUInt32LE(8_000, 40);
  return file;
}

const SAMPLE = { name: 'voice.wav', mimeType: 'audio/wav', buffer: recording() };

test('a voice is cloned from a file, and speaks', async ({ as, stage }) => {
  await stage.credits('lan', 1_000_000);
  const page = await as('lan');
  await page.goto('/tools/voices');
  await page.getByLabel('Tên giọng').fill('<b>Giọng Lan</b>');
  await page.getByLabel('Tệp âm thanh').setInputFiles(SAMPLE);
  await expect(page.getByLabel('Nghe lại mẫu')).toBeVisible();
  await page.getByLabel('Tôi có quyền dùng giọng nói này').check();
  await page.getByRole('button', { name: 'Nhân bản giọng' }).click();
  await jobIs(page, 'completed');

  // What looks like HTML is a name.
  await page.getByRole('link', { name: 'Dùng giọng <b>Giọng Lan</b>' }).click();
  await expect(page.getByLabel('Giọng đọc').locator('option:checked')).toHaveText('<b>Giọng Lan</b>');
  await page.getByLabel('Văn bản', { exact: true }).fill('Giọng của tôi.');
  await speak(page);
  await jobIs(page, 'completed');
});

test('a voice may be recorded in the browser', async ({ as, stage }) => {
  await stage.credits('lan', 1_000_000);
  const page = await as('lan');
  await page.goto('/tools/voices');
  await page.getByRole('button', { name: 'Ghi âm' }).click();
  await page.getByRole('button', { name: /^Dừng ghi âm \([1-9]/ }).click();
  await expect(page.getByLabel('Nghe lại mẫu')).toBeVisible();
  await page.getByLabel('Tên giọng').fill('Ghi âm');
  await page.getByLabel('Tôi có quyền dùng giọng nói này').check();
  await page.getByRole('button', { name: 'Nhân bản giọng' }).click();
  await jobIs(page, 'completed');
  expect((await stage.kc.voices.cloned('lan')).map(({ name }) => name)).toEqual(['Ghi âm']);
});

test('what is no recording is refused by the form, and by the server too', async ({ as, stage }) => {
  const page = await as('lan');
  await page.goto('/tools/voices');
  await page.getByRole('button', { name: 'Nhân bản giọng' }).click();
  for (const told of ['Hãy đặt tên', 'Hãy chọn tệp hoặc ghi âm', 'Hãy xác nhận quyền sử dụng']) {
    await expect(page.getByText(told)).toBeVisible();
  }
  await page.getByLabel('Tệp âm thanh').setInputFiles({ ...SAMPLE, name: 'a.txt', mimeType: 'text/plain' });
  await page.getByRole('button', { name: 'Nhân bản giọng' }).click();
  await expect(page.getByText('Tệp không phải là âm thanh')).toBeVisible();

  const headers = { Origin: stage.url };
  const fields = { name: 'v', service: 'minimax', idempotencyKey: 'voice-of-a-test' };
  const send = (multipart: Record<string, string | typeof SAMPLE>) =>
    page.request.post('/api/voices/cloned', { headers, multipart });
  expect((await send({ ...fields, sample: { ...SAMPLE, mimeType: 'text/html' } })).status()).toBe(415);
  expect((await send(fields)).status()).toBe(422);
  expect((await send({ ...fields, name: ' ', sample: SAMPLE })).status()).toBe(422);
  const large = { ...SAMPLE, buffer: Buffer.alloc(21 * 1024 * 1024) };
  expect((await send({ ...fields, sample: large })).status()).toBe(413);
  expect((await page.request.post('/api/voices/cloned', { headers, data: 'no form' })).status()).toBe(422);
  expect(await stage.kc.jobs({ user: 'lan' })).toEqual([]);
});

test("nobody speaks with another user's voice", async ({ as, stage }) => {
  await stage.credits('lan', 1_000_000);
  await stage.credits('minh', 1_000);
  const clone = { user: 'lan', service: 'minimax', name: 'Của Lan', contentType: 'audio/wav' };
  await (await stage.kc.submit({ ...clone, sample: recording() })).wait();
  const [voice] = await stage.kc.voices.cloned('lan');
  const page = await as('minh');
  await page.goto('/tools/speech?service=minimax');
  await expect(page.getByLabel('Giọng đọc').getByRole('option')).not.toHaveCount(1);
  await expect(page.getByRole('option', { name: 'Của Lan' })).toHaveCount(0);
  const answer = await page.request.post('/api/speech', {
    headers: { Origin: stage.url },
    data: {
      service: 'minimax',
      voice: { from: 'user', voice: voice?.id },
      text: 'Tôi là Lan.',
      speed: 100,
      subtitles: 'no',
      idempotencyKey: 'stolen-voice',
    },
  });
  expect(answer.status()).toBe(422);
  expect(await stage.kc.jobs({ user: 'minh' })).toEqual([]);
});
