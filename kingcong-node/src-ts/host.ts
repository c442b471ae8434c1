/**
 * The host's own functions: providers and key services of the clients of this thread. Whatever they throw, reject with
 * or return becomes an answer, and never an error of the thread.
 *
 * @module
 */

import { tell } from './log';
import { native } from './native';
import { ProviderFailure, type Call, type Provider } from './providers';
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
    const [wire, body] = await (call.upstreamId === null ? done : polled)(provider, call, controller.signal);
    mailbox.reply(ticket, wire, body);
  } catch (error) {
    fail(ticket, client, protocol, secret, error, told['upstream_id'] === null ? 'call' : 'poll');
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

async function done(provider: Provider, call: Call, signal: AbortSignal): Promise<[string, Buffer]> {
  const reply: unknown = await provider.call(call, { signal });
  if (!has(reply, 'acceptedAs')) return replyWire(reply, call, 'call');
  pollOf(provider);
  const { accepted_as, cost = null } = encode(ACCEPTED, reply, 'the reply');
  return [JSON.stringify({ result: { accepted: { upstream_id: accepted_as } }, cost }), NOTHING];
}

async function polled(provider: Provider, call: Call, signal: AbortSignal): Promise<[string, Buffer]> {
  const progress: unknown = await pollOf(provider)(call, { signal });
  if (has(progress, 'failed') && progress.failed instanceof ProviderFailure) {
    return [JSON.stringify({ result: { failed: failureWire(progress.failed) } }), NOTHING];
  }
  if (!has(progress, 'percent')) return replyWire(progress, call, 'poll');
  const { percent = null } = encode(RUNNING, progress, 'the answer');
  return [JSON.stringify({ result: { running: { percent } } }), NOTHING];
}

function pollOf(provider: Provider): NonNullable<Provider['poll']> {
  if (typeof provider.poll === 'function') return provider.poll.bind(provider);
  throw new TypeError(`the provider of ${provider.protocol} resolves to { acceptedAs }, so it needs a function poll`);
}

function has<Name extends string>(value: unknown, name: Name): value is { readonly [Key in Name]: unknown } {
  return typeof value === 'object' && value !== null && name in value;
}

const ACCEPTED: Fields = { acceptedAs: text, cost: optional(amount) };
const RUNNING: Fields = { percent: optional(count) };
const FIGURES: Fields = { cost: optional(amount), audioMs: optional(count), characters: optional(count) };
const AUDIO: Fields = { ...FIGURES, contentType: text, srt: optional(text) };
const VOICE: Fields = { ...FIGURES, voice: text };
const NOTHING = Buffer.alloc(0);

function replyWire(reply: unknown, { work }: Call, asked: 'call' | 'poll'): [string, Buffer] {
  const kind = work.kind === 'speech' ? 'audio' : 'voice';
  if (!has(reply, kind)) {
    const wanted = kind === 'audio' ? '{ audio, contentType }' : '{ voice }';
    throw new TypeError(`${asked} must resolve to ${wanted}, not ${shown(reply)}`);
  }
  let body: Buffer = NOTHING;
  let wire: Record<string, Json>;
  if (has(reply, 'audio')) {
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
function fail(
  ticket: number,
  client: number,
  protocol: string,
  secret: string,
  thrown: unknown,
  asked: 'call' | 'poll',
): void {
  try {
    if (thrown instanceof ProviderFailure) return mailbox.fail(ticket, JSON.stringify(failureWire(thrown)));
  } catch {
    // One that cannot be read, or is of a kind of its own, says as little as any other error.
  }
  const message = native.scrubbed(`the provider of ${protocol} threw ${said(thrown)}`, secret);
  mailbox.fail(ticket, JSON.stringify({ kind: 'unknown', reached: 'maybe', message }));
  const consequence = asked === 'call' ? 'nobody knows what its upstream did' : 'it is asked again how far the work is';
  tell(client, 'kingcong/providers', `${message}; ${consequence}`);
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
