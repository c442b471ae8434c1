/**
 * The settings of `open`: those that are documented are those that it takes, and each is checked before anything is made.
 */

import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';

import { KingCong, type OpenOptions } from 'kingcong';
import { expect, test } from 'vitest';

import { MASTER_KEY, folder, open } from './upstream';

const GUIDE = path.join(__dirname, '..', '..', 'docs', 'node.md');
/** Options that are not sent to the native half as they are. */
const HANDLED_HERE = ['masterKey', 'providers', 'log', 'logLevel', 'signal'];

test('the guide tells every setting and no other', async () => {
  const [, section = ''] = readFileSync(GUIDE, 'utf8').split('## Settings of `open`');
  const [table = ''] = section.split('\n## ');
  const documented = [...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name);
  const refused: unknown = await KingCong.open('memory:', { nope: 1 } as OpenOptions).catch((error: unknown) => error);
  const [, names = ''] = /it has (.*)$/.exec((refused as Error).message) ?? [];
  expect(documented.sort()).toEqual([...names.split(', '), ...HANDLED_HERE].sort());
});

const MINUTES = 60_000;

test.each([
  ['connectTimeoutMs', 240_000, '100 ms to 240 s'],
  ['sendTimeoutMs', 240_000, '100 ms to 240 s'],
  ['synchronousTimeoutMs', 240_000, '100 ms to 240 s'],
  ['pollTimeoutMs', 240_000, '100 ms to 240 s'],
  ['downloadTimeoutMs', 15 * MINUTES, '100 ms to 15 min'],
])('%s has a range', async (setting, most, legal) => {
  for (const within of [100, most]) await (await KingCong.open('memory:', { [setting]: within })).close();
  const made = folder();
  for (const beyond of [99, most + 1, 0]) {
    const opened = KingCong.open(`sqlite://${made}/never.db`, { masterKey: MASTER_KEY, [setting]: beyond });
    await expect(opened).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining(legal) as string,
    });
  }
  expect(readdirSync(made)).toEqual([]);
});

test('servers of the preset are elsewhere from the first start on', async () => {
  const url = `sqlite://${folder()}/kingcong.db`;
  const first = await KingCong.open(url, {
    preset: 'kingcong',
    masterKey: MASTER_KEY,
    baseUrls: { ai84: 'http://127.0.0.1:9' },
  });
  const servers = async (kc: KingCong) => (await kc.config.get()).servers.map(({ baseUrl }) => baseUrl);
  expect(await servers(first)).toEqual(['https://api.ai33.pro', 'http://127.0.0.1:9']);
  await first.close();
  const second = await open(url, { baseUrls: { ai84: 'http://127.0.0.1:8' } });
  expect(await servers(second)).toEqual(['https://api.ai33.pro', 'http://127.0.0.1:9']);
});

test('a base URL that cannot be is refused before anything is made', async () => {
  const made = folder();
  const opened = (options: OpenOptions) =>
    KingCong.open(`sqlite://${made}/never.db`, { masterKey: MASTER_KEY, preset: 'kingcong', ...options });
  await expect(opened({ baseUrls: { ai33: 'http://gateway.example' } })).rejects.toThrow('https');
  await expect(opened({ baseUrls: { ai99: 'https://gateway.example' } })).rejects.toMatchObject({
    code: 'configuration_refused',
  });
  const alone = opened({ baseUrls: { ai33: 'https://gateway.example' }, preset: undefined });
  await expect(alone).rejects.toMatchObject({ code: 'invalid_request' });
  expect(readdirSync(made)).toEqual([]);
});
