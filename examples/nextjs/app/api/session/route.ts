import { SignIn } from '@/lib/requests';
import { addressOf } from '@/server/address';
import { Refused } from '@/server/refused';
import { forAnyone, forUsers, refuseForeign } from '@/server/route';
import { begin, end } from '@/server/session';
import { Throttle } from '@/server/throttle';
import { users } from '@/server/users';

const throttle = new Throttle();

/** Signs in. */
export const POST = forAnyone({ body: SignIn }, async ({ request, body: { name, password } }) => {
  refuseForeign(request);
  const address = addressOf(request);
  const waitMs = throttle.waitMs(address, name, Date.now());
  if (waitMs > 0) throw tooMany(Math.ceil(waitMs / 1000));
  const user = await users().check(name, password);
  if (user === null) {
    throw new Refused(401, 'wrong_password', {
      en: 'The user name or the password is wrong',
      vi: 'Sai tên đăng nhập hoặc mật khẩu',
    });
  }
  throttle.right(address, name, Date.now());
  await begin(user);
});

function tooMany(seconds: number): Refused {
  const words = {
    en: `Too many wrong passwords. Try again in ${seconds} s.`,
    vi: `Sai mật khẩu quá nhiều lần. Hãy thử lại sau ${seconds} giây.`,
  };
  return new Refused(429, 'too_many_attempts', words, { 'Retry-After': String(seconds) });
}

/** Signs out. */
export const DELETE = forUsers({}, end);
