/**
 * The host's own functions: providers and key services of the clients of this thread. Whatever they throw, reject with
 * or return becomes an answer, and never an error of the thread.
 *
 * @module
 */

import { tell } from './log';
import { native } from './native';
import { ProviderFailure, type Call, type Provider, type Reply } from './providers';
import { mailbox, type CallLetter, type HostLetter, type KeyLetter } from './thread';
import { amount, bytes, count, decode, encode, optional, said, shown, text, type Fields, type Json } from './wire';

/**
 * A key service, such as a KMS, that never gives its key away. `id` is how the service knows the key; it is written
 * beside what it wrapped.
 */
export interface MasterKey {
  readonly id: string;
  /** Encrypts 32 bytes bound to `context` (associated data); the answer is at most 8,192 bytes. */
  wrap(data: Buffer, context: Buffer): Uint8Array | Promise<Uint8Array>;
  /** Decrypts what `wrap` gave, for the same context. */
  unwrap(data: Buffer, context: Buffer): Uint8Array | Promise<Uint8Array>;
}

/** What one client brought. */
export interface Host {
  readonly providers: ReadonlyMap<string, Provider>;
  readonly masterKey: MasterKey | undefined;
}

const hosts = new Map<number, Host>();
const calls = new Map<number, Running>();

/** A call that a provider works on. */
interface Running {
  readonly client: number;
  readonly controller: AbortController;
}

/** Begins to serve a client. */
export function serve(client: number, host: Host): void {
  hosts.set(client, host);
}

/** Serves it no longer: its calls are told that nobody waits for them. */
export function dismiss(client: number): void {
  hosts.delete(client);
  for (const running of calls.values()) if (running.client === client) abort(running);
}

function abort({ controller }: Running): void {
  controller.abort(new DOMException('nobody waits for this call any more', 'AbortError'));
}

/** Does what a letter asks for. */
export function readHost(letter: HostLetter): void {
  switch (letter[0]) {
    case 'call':
      return void call(letter);
    case 'key':
      return void key(letter);
    case 'dropped': {
      const running = calls.get(letter[1]);
      if (running !== undefined) abort(running);
    }
  }
}

async function call([, ticket, client, protocol, told, secret, hasSample]: CallLetter): Promise<void> {
  const controller = new AbortController();
  calls.set(ticket, { client, controller });
  try {
    const sample = hasSample ? mailbox.attachment(ticket) : null;
    const provider = hosts.get(client)?.providers.get(protocol);
    if (provider === undefined) throw new Error(`nobody serves ${protocol} any more`);
    const call = callOf(told, secret, sample);
    const reply = await provider.call(call, { signal: controller.signal });
    const [wire, body] = replyWire(reply, call.work.kind === 'speech');
    mailbox.reply(ticket, wire, body);
  } catch (error) {
    fail(ticket, client, protocol, secret, error);
  } finally {
    calls.delete(ticket);
  }
}

function callOf(told: { readonly [name: string]: Json }, secret: string, sample: Buffer | null): Call {
  const { work, ...rest } = told;
  const [[kind, given] = []] = Object.entries(work as { readonly [name: string]: Json });
  const call = decode(rest) as Record<string, unknown>;
  call['work'] = { kind, ...(decode(given ?? null) as object), ...(sample === null ? {} : { sample }) };
  return Object.defineProperty(call, 'secret', { value: secret }) as unknown as Call;
}

const TOLD: Fields = { cost: optional(amount), audioMs: optional(count), characters: optional(count) };
const AUDIO: Fields = { ...TOLD, contentType: text, srt: optional(text) };
const VOICE: Fields = { ...TOLD, voice: text };
const NOTHING = Buffer.alloc(0);

function replyWire(reply: Reply, isSpeech: boolean): [string, Buffer] {
  const kind = isSpeech ? 'audio' : 'voice';
  if (typeof reply !== 'object' || reply === null || !(kind in reply)) {
    throw new TypeError(
      `call must resolve to ${isSpeech ? '{ audio, contentType }' : '{ voice }'}, not ${shown(reply)}`,
    );
  }
  let body: Buffer = NOTHING;
  let wire: Record<string, Json>;
  if ('audio' in reply) {
    const { audio, ...rest } = reply;
    body = bytes(audio, 'audio');
    wire = encode(AUDIO, rest, 'the reply');
  } else {
    wire = encode(VOICE, reply, 'the reply');
  }
  const { cost = null, audio_ms = null, characters = null, ...result } = wire;
  return [JSON.stringify({ result: { [kind]: result }, cost, audio_ms, characters }), body];
}

/** Says that a call gave nothing, whatever was thrown. */
function fail(ticket: number, client: number, protocol: string, secret: string, thrown: unknown): void {
  try {
    if (thrown instanceof ProviderFailure) return mailbox.fail(ticket, JSON.stringify(failureWire(thrown)));
  } catch {
    // One that cannot be read, or is of a kind of its own, says as little as any other error.
  }
  const message = native.scrubbed(`the provider of ${protocol} threw ${said(thrown)}`, secret);
  mailbox.fail(ticket, JSON.stringify({ kind: 'unknown', reached: 'maybe', message }));
  tell(client, 'kingcong/providers', `${message}; nobody knows what its upstream did`);
}

function failureWire({ kind, message, code, retryAfterMs, sent }: ProviderFailure): Record<string, Json> {
  const isLength =
    typeof retryAfterMs === 'number' && retryAfterMs >= 0 && Number.isSafeInteger(Math.ceil(retryAfterMs));
  return {
    kind,
    reached: (sent ?? kind === 'unknown') ? 'maybe' : 'no',
    message: String(message),
    code: code === undefined ? null : String(code),
    retry_after_ms: isLength ? Math.ceil(retryAfterMs) : null,
  };
}

async function key([, ticket, client, step, length]: KeyLetter): Promise<void> {
  try {
    const both = mailbox.attachment(ticket) ?? NOTHING;
    const service = hosts.get(client)?.masterKey;
    if (service === undefined) throw new Error('nobody serves the master key any more');
    const answer = await service[step](both.subarray(0, length), both.subarray(length));
    mailbox.replyKey(ticket, bytes(answer, `what ${step} gave`));
  } catch (error) {
    mailbox.failKey(ticket, `${step} threw ${said(error)}`);
  }
}
