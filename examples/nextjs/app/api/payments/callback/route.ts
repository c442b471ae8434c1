import { KingCongError, type Credited, type KingCong } from 'kingcong';

import { Callback, SIGNATURE_HEADER, isSigned, referenceOf, unseal } from '@/server/payments';
import { Refused, notThere } from '@/server/refused';
import { bodyOf, forAnyone, jsonOf } from '@/server/route';
import { entries } from '@/server/transactions';

/** Longest callback. */
const BODY_BYTES_MAX = 16 * 1024;

/** For the gateway alone, as often as it likes: an order is booked once, for ever. */
export const POST = forAnyone({}, async ({ kc, request }) => {
  const body = await bodyOf(request, BODY_BYTES_MAX);
  if (!isSigned(body.toString(), request.headers.get(SIGNATURE_HEADER) ?? '')) {
    throw new Refused(403, 'forged', { en: "The signature is not the gateway's", vi: 'Chữ ký không hợp lệ' });
  }
  const told = Callback.parse(jsonOf(body));
  const order = unseal(told.payment);
  if (order === null) throw notThere();
  if (told.state === 'failed') return { booked: null };
  if (told.amount !== order.price || told.currency !== order.currency) {
    throw new Refused(409, 'wrong_amount', {
      en: 'Another amount was paid than asked',
      vi: 'Số tiền không khớp với đơn hàng',
    });
  }
  const reference = referenceOf(order);
  const offered = (await kc.packages.list()).find(({ id }) => id === order.package);
  const isChanged =
    offered !== undefined && (String(offered.price) !== order.price || String(offered.credits) !== order.credits);
  const booked = isChanged
    ? await bookedAs(kc, order.user, reference)
    : await kc.wallets.purchase(order.user, order.package, reference).catch(nullWhenGone);
  if (booked !== null) return { booked };
  throw new Refused(409, 'package_changed', {
    en: 'The package is not what was ordered any more: give the money back',
    vi: 'Gói đã thay đổi sau khi đặt: hãy hoàn tiền',
  });
});

/** An order that was booked is answered alike for ever; one that was not needs its package. */
function nullWhenGone(error: unknown): null {
  if (error instanceof KingCongError && error.code === 'not_found') return null;
  throw error;
}

/** What was booked before the package was changed; null when nothing was, which a purchase would book as it is now. */
async function bookedAs(kc: KingCong, user: string, reference: string): Promise<Credited | null> {
  for await (const entry of entries(kc, user, { kind: 'purchase' })) {
    if (entry.reference === reference) return { amount: entry.amount, balanceAfter: entry.balanceAfter };
  }
  return null;
}
