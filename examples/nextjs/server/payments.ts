/**
 * Payments, without a table of them.
 *
 * A payment is what was ordered, signed by us: the gateway carries it and brings it back, and nobody can make or change
 * one. The library books an order once, for ever. So there is no payment table to keep in step with the ledger, on any
 * number of processes.
 */

import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

import { z } from 'zod';

import { settings } from './settings';

/** A callback that was signed longer ago is refused. */
const SIGNED_SECONDS_MAX = 300;

const Order = z.object({
  user: z.string(),
  package: z.string(),
  credits: z.string(),
  unit: z.enum(['credit', 'nextflow', 'usd']),
  price: z.string(),
  currency: z.enum(['credit', 'nextflow', 'usd']),
  /** Tells two orders of the same package apart. */
  nonce: z.string(),
});
/** Who buys how much of what for how much. */
export type Order = z.infer<typeof Order>;

function mac(text: string): Buffer {
  return createHmac('sha256', settings.paymentSecret).update(text).digest();
}

function isMac(text: string, given: string): boolean {
  const told = Buffer.from(given, 'hex');
  const right = mac(text);
  return told.length === right.length && timingSafeEqual(told, right);
}

/** The order as a text for the gateway. */
export function seal(order: Order): string {
  const data = JSON.stringify(order);
  return `${Buffer.from(data).toString('base64url')}.${mac(`order ${data}`).toString('hex')}`;
}

/** The order in such a text; null for one that we did not make. */
export function unseal(text: string): Order | null {
  const [encoded = '', given = ''] = text.split('.');
  const data = Buffer.from(encoded, 'base64url').toString();
  return isMac(`order ${data}`, given) ? Order.parse(JSON.parse(data)) : null;
}

/** What the ledger knows an order by. */
export function referenceOf(order: Order): string {
  return `payment-${createHash('sha256').update(seal(order)).digest('hex').slice(0, 32)}`;
}

/** What the gateway tells when somebody paid or did not. */
export const Callback = z.object({
  payment: z.string().max(4_000),
  state: z.enum(['paid', 'failed']),
  amount: z.string().max(32),
  currency: z.string().max(16),
});
export type Callback = z.infer<typeof Callback>;

/** The header that carries a callback's signature: `t=SECONDS,v1=HMAC-SHA256 of "SECONDS.BODY"`. */
export const SIGNATURE_HEADER = 'x-gateway-signature';

/** How the gateway signs a callback. */
export function signature(body: string, at: number): string {
  return `t=${at},v1=${mac(`${at}.${body}`).toString('hex')}`;
}

/** Whether the gateway signed this body not long ago. */
export function isSigned(body: string, given: string): boolean {
  const [, at, v1] = /^t=(\d{1,12}),v1=([0-9a-f]{64})$/.exec(given) ?? [];
  if (at === undefined || v1 === undefined) return false;
  return Math.abs(Date.now() / 1000 - Number(at)) <= SIGNED_SECONDS_MAX && isMac(`${at}.${body}`, v1);
}
