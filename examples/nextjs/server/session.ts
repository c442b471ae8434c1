/**
 * Who is signed in, by a signed cookie that scripts cannot read. The role is looked up at each request: who is removed
 * or demoted loses access at once.
 */

import 'server-only';

import { createHmac, timingSafeEqual } from 'node:crypto';

import { cookies } from 'next/headers';
import { notFound, redirect } from 'next/navigation';

import { settings } from './settings';
import { users, type User } from './users';

const COOKIE = 'session';
const SESSION_SECONDS = 7 * 24 * 60 * 60;

function mac(text: string): string {
  return createHmac('sha256', settings.sessionSecret).update(text).digest('base64url');
}

function isMac(text: string, given: string): boolean {
  const [right, told] = [Buffer.from(mac(text)), Buffer.from(given)];
  return right.length === told.length && timingSafeEqual(right, told);
}

/** Signs a user in. */
export async function begin(user: User): Promise<void> {
  const expires = Date.now() + SESSION_SECONDS * 1000;
  const text = `${expires}.${Buffer.from(user.id).toString('base64url')}`;
  (await cookies()).set(COOKIE, `${text}.${mac(text)}`, {
    httpOnly: true,
    sameSite: 'lax',
    secure: settings.appUrl.startsWith('https:'),
    path: '/',
    maxAge: SESSION_SECONDS,
  });
}

/** Signs out. */
export async function end(): Promise<void> {
  (await cookies()).delete(COOKIE);
}

/** Who asks; null when nobody is signed in. */
export async function signedIn(): Promise<User | null> {
  const [expires, id, given] = ((await cookies()).get(COOKIE)?.value ?? '').split('.');
  if (expires === undefined || id === undefined || given === undefined) return null;
  if (!isMac(`${expires}.${id}`, given) || Number(expires) < Date.now()) return null;
  return users().find(Buffer.from(id, 'base64url').toString());
}

/** Who looks at a page; others are sent to sign in. */
export async function visitor(): Promise<User> {
  const user = await signedIn();
  if (user === null) redirect('/sign-in');
  return user;
}

/** The administrator who looks at a page; for others there is no such page. */
export async function administrator(): Promise<User> {
  const user = await visitor();
  if (user.role !== 'admin') notFound();
  return user;
}
