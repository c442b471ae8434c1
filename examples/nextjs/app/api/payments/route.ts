import { NewPayment } from '@/lib/requests';
import { seal } from '@/server/payments';
import { notThere } from '@/server/refused';
import { forUsers } from '@/server/route';

/** Orders a package, and answers where it is paid. Credits come when the gateway says that it was. */
export const POST = forUsers({ body: NewPayment }, async ({ library, user, body }) => {
  const offered = (await library.packages.list()).find(({ id, switch: sale }) => id === body.package && sale === 'on');
  if (offered === undefined) throw notThere();
  const payment = seal({
    user: user.id,
    package: offered.id,
    credits: String(offered.credits),
    unit: offered.unit,
    price: String(offered.price),
    currency: offered.currency,
    nonce: body.idempotencyKey,
  });
  return { url: `/pay?payment=${encodeURIComponent(payment)}` };
});
