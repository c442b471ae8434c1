/** Passwords as they are stored: `scrypt$SALT$HASH`. */

import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

const SALT_BYTES = 16;
const HASH_BYTES = 32;
export const STORED = /^scrypt\$([0-9a-f]{32})\$([0-9a-f]{64})$/;

/** @type {(password: string, salt: Buffer, bytes: number) => Promise<Buffer>} */
const derive = promisify(scrypt);

/**
 * A password as it is stored.
 *
 * @param {string} password
 */
export async function hashed(password) {
  const salt = randomBytes(SALT_BYTES);
  return `scrypt$${salt.toString('hex')}$${(await derive(password, salt, HASH_BYTES)).toString('hex')}`;
}

/**
 * Whether that is the password.
 *
 * @param {string} password
 * @param {string} stored
 */
export async function isPassword(password, stored) {
  const [, salt = '', hash = ''] = STORED.exec(stored) ?? [];
  return timingSafeEqual(await derive(password, Buffer.from(salt, 'hex'), HASH_BYTES), Buffer.from(hash, 'hex'));
}
