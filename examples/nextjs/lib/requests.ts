/** What the pages send: checked in the form, and again by the server. */

import { z } from 'zod';

/** Longest text that is spoken at once, in UTF-16 code units. */
export const TEXT_LENGTH_MAX = 100_000;
/** Largest recording of a voice: the library takes no larger. */
export const SAMPLE_BYTES_MAX = 20 * 1024 * 1024;

/** What servers, services and packages are called. */
export const id = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,31}$/);
const voice = z.string().min(1).max(128);
/** Made anew for what is meant anew: a form that is sent twice is done once. */
export const idempotencyKey = z.string().min(8).max(64);

export const SignIn = z.object({ name: z.string().min(1).max(64), password: z.string().min(1).max(200) });
export type SignIn = z.infer<typeof SignIn>;

export const NewPayment = z.object({ package: id, idempotencyKey });
export type NewPayment = z.infer<typeof NewPayment>;

/** A voice of the service, or one that the user cloned. */
export const VoiceChoice = z.discriminatedUnion('from', [
  z.object({ from: z.literal('service'), voice }),
  z.object({ from: z.literal('user'), voice: z.uuid() }),
]);

export const NewSpeech = z.object({
  service: id,
  voice: VoiceChoice,
  text: z.string().min(1).max(TEXT_LENGTH_MAX),
  /** In hundredths: 100 is the voice's own. */
  speed: z.int().min(50).max(200),
  subtitles: z.enum(['no', 'srt']),
  /** Into how many tasks the text is cut; as few as possible when left out. */
  pieces: z.int().min(1).max(100).optional(),
});
export type NewSpeech = z.infer<typeof NewSpeech>;

export const SubmittedSpeech = NewSpeech.extend({ idempotencyKey });

/** The fields of a voice to clone, beside its sample. */
export const NewVoice = z.object({
  name: z.string().trim().min(1).max(64),
  service: id,
  idempotencyKey,
});

export const EntryKind = z.enum(['purchase', 'usage', 'refund', 'adjustment', 'debt_payment']);
export type EntryKind = z.infer<typeof EntryKind>;

/** Which transactions: of a kind, from a day to a day (both inclusive, in UTC). */
export const EntryFilter = z.object({
  kind: EntryKind.optional(),
  from: z.iso.date().optional(),
  to: z.iso.date().optional(),
});
export type EntryFilter = z.infer<typeof EntryFilter>;

export const JobId = z.object({ id: z.uuid() });
