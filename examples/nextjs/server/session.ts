/**
 * Who is signed in, by a cookie that scripts cannot read and a session that the server keeps. The role is looked up at
 * each request: who is removed or demoted loses access at once, and who signs out has signed out.
 */

import 'server-only';

import { cookies } from 'next/headers';
import { notFound, redirect } from 'next/navigation';

import { SESSION_SECONDS, sessions } from './sessions';
import { settings } from './settings';
import { users, type User } from './users';

const COOKIE = 'session';

async function token(): Promise<string> {
  return (await cookies()).get(COOKIE)?.value ?? '';
}

/** Signs a user in. */
export async function begin(user: User): Promise<void> {
  (await cookies()).set(COOKIE, await sessions().begin(user.id), {
    httpOnly: true,
    sameSite: 'lax',
    secure: settings.appUrl.startsWith('https:'),
    path: '/',
    maxAge: SESSION_SECONDS,
  });
}

/** Signs out, also for whoever has a copy of the cookie. */
export async function end(): Promise<void> {
  await sessions().end(await token());
  (await cookies()).delete(COOKIE);
}

/** Who asks; null when nobody is signed in. */
export async function signedIn(): Promise<User | null> {
  const user = await sessions().find(await token());
  return user === null ? null : users().find(user);
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
  if (user.role === 'member') notFound();
  return user;
}
