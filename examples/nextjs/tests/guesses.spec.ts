/** Who must wait before guessing a password again, and where requests come from: functions alone, without the app. */

import { expect, test } from '@playwright/test';

import { clientOf } from '../server/address';
import { Throttle, pauseMs } from '../server/throttle';

const NOW = 1_800_000_000_000;
const MINUTE = 60_000;
const PAUSE_MS_MAX = 5 * MINUTE;

/** Guesses wrong so often, each time as soon as it may; when that was done. */
function guessWrong(throttle: Throttle, address: string, account: string, times: number, now = NOW): number {
  for (let time = 0; time < times; time += 1) {
    for (let wait = throttle.waitMs(address, account, now); wait > 0; wait = throttle.waitMs(address, account, now)) {
      now += wait;
    }
  }
  return now;
}

test('a pause begins after the free guesses, doubles, and has an end', () => {
  for (const [failures, pause] of [
    [0, 0],
    [4, 0],
    [5, 15_000],
    [6, 30_000],
    [9, 240_000],
    [10, PAUSE_MS_MAX],
    [10_000, PAUSE_MS_MAX],
  ] as const) {
    expect(pauseMs(failures, 5), String(failures)).toBe(pause);
  }
});

test('wrong guesses hold up their own address, and no other, for the account', () => {
  const throttle = new Throttle();
  const now = guessWrong(throttle, 'guesser', 'minh', 12);
  expect(throttle.waitMs('guesser', 'minh', now)).toBeGreaterThan(MINUTE);
  expect(throttle.waitMs('home', 'minh', now)).toBe(0);
  throttle.right('home', 'minh', now);
  // What the owner knows tells the guesser nothing.
  expect(throttle.waitMs('guesser', 'minh', now)).toBeGreaterThan(MINUTE);
});

test('many addresses that guess one account are slowed together, and its owner is not', () => {
  const throttle = new Throttle();
  for (let guesser = 0; guesser < 100; guesser += 1) {
    expect(throttle.waitMs(`guesser-${guesser}`, 'minh', NOW)).toBe(0);
  }
  expect(throttle.waitMs('guesser-0', 'minh', NOW)).toBe(PAUSE_MS_MAX);
  expect(throttle.waitMs('guesser-0', 'lan', NOW)).toBe(0);
  expect(throttle.waitMs('home', 'minh', NOW)).toBe(0);
});

test('an address that guesses many accounts must pause, also after it signed in to one of its own', () => {
  const throttle = new Throttle();
  for (let account = 0; account < 20; account += 1) expect(throttle.waitMs('guesser', `user-${account}`, NOW)).toBe(0);
  expect(throttle.waitMs('guesser', 'own', NOW)).toBe(15_000);
  expect(throttle.waitMs('guesser', 'own', NOW + 15_000)).toBe(0);
  throttle.right('guesser', 'own', NOW + 15_000);
  expect(throttle.waitMs('guesser', 'minh', NOW + 15_001)).toBeGreaterThan(0);
});

test('right passwords are no guesses, and what was long ago is forgotten', () => {
  const throttle = new Throttle();
  for (let times = 0; times < 100; times += 1) {
    expect(throttle.waitMs('home', 'lan', NOW)).toBe(0);
    throttle.right('home', 'lan', NOW);
  }
  const now = guessWrong(throttle, 'guesser', 'minh', 10);
  expect(throttle.waitMs('guesser', 'minh', now + 61 * MINUTE)).toBe(0);
});

test('a client is whom the last proxy of ours was asked by, whatever stands before', () => {
  for (const [forwarded, peer, proxies, client] of [
    ['', '192.0.2.1', 0, '192.0.2.1'],
    ['198.51.100.7', '192.0.2.1', 0, '192.0.2.1'],
    ['198.51.100.7', '192.0.2.1', 1, '198.51.100.7'],
    ['made up, 198.51.100.7', '192.0.2.1', 1, '198.51.100.7'],
    ['made up, 198.51.100.7, 192.0.2.2', '192.0.2.1', 2, '198.51.100.7'],
    ['', '192.0.2.1', 1, '192.0.2.1'],
    ['', '::ffff:192.0.2.1', 0, '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '::1', 1, '2001:db8:1:2::'],
    ['2001:db8:1:2:ffff::', '::1', 1, '2001:db8:1:2::'],
    ['2001:0DB8::1', '::1', 1, '2001:db8:0:0::'],
    ['', '::1', 0, '0:0:0:0::'],
    ['', 'fe80::1%eth0', 0, 'fe80:0:0:0::'],
  ] as const) {
    expect(clientOf(forwarded, peer, proxies), `${forwarded} by ${peer}, ${proxies} proxies`).toBe(client);
  }
});
