import { SignIn } from '@/lib/requests';
import { Refused } from '@/server/refused';
import { forAnyone, forUsers, refuseForeign } from '@/server/route';
import { begin, end } from '@/server/session';
import { users } from '@/server/users';

/** Wrong passwords that a name may have in that time, in this process. */
const FAILURES_MAX = 10;
const FAILURES_MS = 5 * 60 * 1000;
/** Names whose failures are remembered; the oldest are forgotten. */
const NAMES_MAX = 10_000;

const failures = new Map<string, { readonly times: number; readonly until: number }>();

function refuseGuessing(name: string): void {
  const { times = 0, until = 0 } = failures.get(name) ?? {};
  if (times < FAILURES_MAX || until < Date.now()) return;
  throw new Refused(429, 'too_many_attempts', {
    en: 'Too many wrong passwords. Wait five minutes.',
    vi: 'Sai mật khẩu quá nhiều lần. Hãy đợi năm phút.',
  });
}

function remember(name: string): void {
  const { times = 0, until = 0 } = failures.get(name) ?? {};
  const isNew = until < Date.now();
  failures.delete(name);
  failures.set(name, { times: isNew ? 1 : times + 1, until: isNew ? Date.now() + FAILURES_MS : until });
  const [oldest] = failures.keys();
  if (failures.size > NAMES_MAX && oldest !== undefined) failures.delete(oldest);
}

/** Signs in. */
export const POST = forAnyone({ body: SignIn }, async ({ request, body: { name, password } }) => {
  refuseForeign(request);
  refuseGuessing(name);
  // Counted before the check: guesses that come together count too.
  remember(name);
  const user = await users().check(name, password);
  if (user === null) {
    throw new Refused(401, 'wrong_password', {
      en: 'The user name or the password is wrong',
      vi: 'Sai tên đăng nhập hoặc mật khẩu',
    });
  }
  failures.delete(name);
  await begin(user);
});

/** Signs out. */
export const DELETE = forUsers({}, end);
