/** What the administration sends: checked in the form, and again by the server. */

import { z } from 'zod';

import { id, idempotencyKey } from './requests';

/** Longest reason of an adjustment, in UTF-16 code units: the ledger keeps 255 bytes of it. */
export const REASON_LENGTH_MAX = 85;
/** Largest weight that a server can have. */
export const WEIGHT_MAX = 1_000_000;
const SECRET_LENGTH_MIN = 8;
const SECRET_LENGTH_MAX = 4096;
const NAME_LENGTH_MAX = 60;
const CALLS_MAX = 100_000;

export const RouteId = z.object({ server: id, service: id });
export const RouteSwitch = z.object({ switch: z.enum(['on', 'off']) });
export type RouteSwitch = z.infer<typeof RouteSwitch>;

export const NewMaintenance = z.object({ isFull: z.boolean(), services: z.array(id).max(100) });
export type NewMaintenance = z.infer<typeof NewMaintenance>;

/** By server; without one above 0 nobody would work. */
export const Weights = z
  .record(id, z.int().min(0).max(WEIGHT_MAX))
  .refine((weights) => Object.values(weights).some((weight) => weight > 0));
export type Weights = z.infer<typeof Weights>;

const calls = z.int().min(1).max(CALLS_MAX);
/** A key's limits; what is left out is the server's default. */
export const KeyLimits = z.strictObject({ maxInFlight: calls.optional(), perMinute: calls.optional() });
export type KeyLimits = z.infer<typeof KeyLimits>;

export const NewKey = KeyLimits.extend({
  server: id,
  service: id,
  secret: z
    .string()
    .min(SECRET_LENGTH_MIN)
    .max(SECRET_LENGTH_MAX)
    .refine((secret) => secret.trim() === secret),
  label: z.string().trim().max(NAME_LENGTH_MAX),
  /** The upstream account whose limits its keys share; empty for none. */
  account: z.string().trim().max(NAME_LENGTH_MAX),
});
export type NewKey = z.infer<typeof NewKey>;

export const KeyId = z.object({ id: z.uuid() });
/** What changes of a key: its switch or its limits. */
export const KeyChange = z.union([RouteSwitch.strict(), z.strictObject({ limits: KeyLimits })]);
export type KeyChange = z.infer<typeof KeyChange>;

export const UserId = z.object({ id: z.string().min(1).max(64) });

export const NewAdjustment = z.object({
  /** A whole number of credits; as text, because a number does not hold all of them. */
  change: z.string().regex(/^-?0*[1-9]\d{0,14}$/),
  reason: z.string().trim().min(1).max(REASON_LENGTH_MAX),
});
export type NewAdjustment = z.infer<typeof NewAdjustment>;

export const SubmittedAdjustment = NewAdjustment.extend({ idempotencyKey });
export type SubmittedAdjustment = z.infer<typeof SubmittedAdjustment>;

/** Over how many days, today included, statistics are made. */
export const DAYS = [1, 7, 30] as const;
export type Days = (typeof DAYS)[number];
