import { KingCongError } from 'kingcong';

import { Callback, SIGNATURE_HEADER, isSigned, referenceOf, unseal } from '@/server/payments';
import { Refused, notThere } from '@/server/refused';
import { bodyOf, forAnyone, jsonOf } from '@/server/route';

/** Longest callback. */
const BODY_BYTES_MAX = 16 * 1024;

/** For the gateway alone, as often as it likes: an order is booked once, for ever. */
export const POST = forAnyone({}, async ({ library, request }) => {
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
  const { credits, unit, price, currency } = order;
  const booked = await library
    .acting({ actor: 'payments', role: 'operator_billing' })
    .wallets.purchase(order.user, order.package, referenceOf(order), { ordered: { credits, unit, price, currency } })
    .catch(nullWhenChanged);
  if (booked !== null) return { booked };
  throw new Refused(409, 'package_changed', {
    en: 'The package is not what was ordered any more: give the money back',
    vi: 'Gói đã thay đổi sau khi đặt: hãy hoàn tiền',
  });
});

/** Null when the package is gone, or something else than was ordered: then nothing was booked. */
function nullWhenChanged(error: unknown): null {
  if (error instanceof KingCongError && (error.code === 'not_found' || error.code === 'amount_refused')) return null;
  throw error;
}
