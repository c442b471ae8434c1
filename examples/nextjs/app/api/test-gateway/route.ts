/** The payment gateway, played: it tells the app that somebody paid as a real one does, by a signed request. */

import { z } from 'zod';

import { SIGNATURE_HEADER, signature, unseal, type Callback } from '@/server/payments';
import { Refused, notThere } from '@/server/refused';
import { bodyOf, forAnyone, refuseForeign } from '@/server/route';
import { settings } from '@/server/settings';

const BODY_BYTES_MAX = 16 * 1024;
const Form = z.object({ payment: z.string(), state: z.enum(['paid', 'failed']) });

export const POST = forAnyone({}, async ({ request }) => {
  if (!settings.playsGateway) throw notThere();
  refuseForeign(request);
  const form = new URLSearchParams((await bodyOf(request, BODY_BYTES_MAX)).toString());
  const { payment, state } = Form.parse(Object.fromEntries(form));
  const order = unseal(payment);
  if (order === null) throw notThere();

  const told: Callback = { payment, state, amount: order.price, currency: order.currency };
  const body = JSON.stringify(told);
  const signed = signature(body, Math.floor(Date.now() / 1000));
  const answer = await fetch(`${settings.appUrl}/api/payments/callback`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', [SIGNATURE_HEADER]: signed },
    body,
  });
  if (!answer.ok) {
    throw new Refused(502, 'not_booked', { en: 'The payment was not booked', vi: 'Thanh toán chưa được ghi nhận' });
  }
  // Relative: the browser knows by which name it reaches us.
  return new Response(null, { status: 303, headers: { Location: `/tools/credits?payment=${state}` } });
});
