/**
 * The client: the library on a database, in this process.
 *
 * @module
 */

import type { Estimate, JobReport } from './answers';
import type { Settings } from './asked';
import { SETTINGS } from './checks';
import { WORDS } from './described';
import { Accounts, Config, Keys, Packages, Prices, Reports, Root, Tenants, Voices, Wallets } from './doors';
import { problemOf } from './errors';
import { CAPABILITIES, requestOf } from './fields';
import type { How } from './group';
import { dismiss, readHost, serve, type Host, type MasterKey } from './host';
import { JobHandle } from './job';
import { LEVELS, listen, mute, readLog, type Log, type LogLevel } from './log';
import { native, type Library, type AnswerOrTicket } from './native';
import type { Provider } from './providers';
import { ask, mailbox, readWith, type Answer } from './thread';
import type { Access, CloneVoice, JobResult, Speech, Waiting } from './types';
import {
  bytes,
  decode,
  encode,
  instant,
  oneOf,
  optional,
  optionsOf,
  shown,
  text,
  type Fields,
  type Json,
} from './wire';

readWith({ host: readHost, log: readLog });

/**
 * Where the master key is: base64 or hexadecimal text, 32 bytes, a file (made when it is not there), or a key service
 * that never gives its key away.
 */
export type MasterKeySource = string | Uint8Array | { readonly file: string } | MasterKey;

/** How a client is opened. What is left out has a default that fits most. */
export interface OpenOptions extends Waiting, Settings {
  /**
   * Encrypts the upstream keys; or a function that gives it, which may be async. The environment variable
   * `KINGCONG_MASTER_KEY` when left out, and with `memory:` one that is made up.
   */
  readonly masterKey?: MasterKeySource | (() => MasterKeySource | Promise<MasterKeySource>) | undefined;
  /** Your own, in place of or beside the library's. */
  readonly providers?: readonly Provider[] | undefined;
  /** Gets the library's log events. */
  readonly log?: Log | undefined;
  /** The least grave level that `log` gets; `info` when left out. */
  readonly logLevel?: LogLevel | undefined;
}

const LOG_LEVEL = oneOf(...LEVELS);
const MASTER_KEY_WORDS =
  'base64 or hexadecimal text, 32 bytes, { file }, { id, wrap, unwrap }, or a function that gives one of them';
/** The bytes of a master key. */
const MASTER_KEY_BYTES = 32;
const IN_MEMORY = 'memory:';

interface CheckedOptions {
  readonly options: { readonly [name: string]: Json };
  readonly host: Host;
  readonly log: Log | undefined;
  readonly logLevel: LogLevel;
  readonly signal: AbortSignal | undefined;
}

/** Checks the options; afterwards nothing is left to go wrong on this side. */
async function checkedOptionsOf(url: string, given: OpenOptions): Promise<CheckedOptions> {
  text(url, 'url');
  if (typeof given !== 'object' || given === null)
    throw new TypeError(`options must be an object, not ${shown(given)}`);
  const { masterKey, providers = [], log, logLevel = 'info', ...rest } = given;
  const [options, signal] = optionsOf(SETTINGS, rest);
  if (log !== undefined && typeof log !== 'function')
    throw new TypeError(`options.log must be a function, not ${shown(log)}`);
  LOG_LEVEL(logLevel, 'options.logLevel');
  const [served, offers] = providersOf(providers);
  const source = typeof masterKey === 'function' ? await masterKey() : masterKey;
  const [told, service] = masterKeyOf(source, url);
  const host = { providers: served, masterKey: service };
  return { options: { ...options, ...told, url, providers: offers }, host, log, logLevel, signal };
}

/** The providers by their protocols, and what each is for. */
function providersOf(providers: readonly Provider[]): readonly [Map<string, Provider>, readonly Json[]] {
  if (!Array.isArray(providers)) throw new TypeError(`options.providers must be an array, not ${shown(providers)}`);
  const served = new Map<string, Provider>();
  const offers: Json[] = [];
  for (const [place, provider] of (providers as readonly Provider[]).entries()) {
    const name = `options.providers[${place}]`;
    if (typeof provider !== 'object' || provider === null || typeof provider.call !== 'function') {
      throw new TypeError(`${name} must be an object with protocol and call, not ${shown(provider)}`);
    }
    const protocol = text(provider.protocol, `${name}.protocol`);
    if (served.has(protocol)) throw new TypeError(`${name} is a second provider of ${shown(protocol)}`);
    served.set(protocol, provider);
    const { capabilities } = provider;
    const can = capabilities === undefined ? {} : CAPABILITIES(capabilities, `${name}.capabilities`);
    offers.push({ protocol, capabilities: can });
  }
  return [served, offers];
}

function masterKeyOf(
  source: MasterKeySource | undefined,
  url: string,
): readonly [{ readonly [name: string]: Json }, MasterKey | undefined] {
  if (source === undefined || source === null) return [url === IN_MEMORY ? { master_key: 'random' } : {}, undefined];
  if (typeof source === 'string') return [{ master_key: { text: source } }, undefined];
  if (source instanceof Uint8Array) {
    if (source.length !== MASTER_KEY_BYTES) {
      throw new TypeError(`options.masterKey must have ${MASTER_KEY_BYTES} bytes, not ${source.length}`);
    }
    return [{ master_key: { text: bytes(source, 'options.masterKey').toString('hex') } }, undefined];
  }
  if (typeof source === 'object' && 'file' in source) {
    return [{ master_key: { file: text(source.file, 'options.masterKey.file') } }, undefined];
  }
  if (typeof source === 'object' && typeof source.wrap === 'function' && typeof source.unwrap === 'function') {
    text(source.id, 'options.masterKey.id');
    return [{}, source];
  }
  throw new TypeError(`options.masterKey must be ${MASTER_KEY_WORDS}, not of the type ${typeof source}`);
}

const ACCESS: Fields = {
  actor: text,
  role: oneOf(...WORDS.Role),
  tenant: optional(text),
  user: optional(text),
  until: optional(instant),
};

/** The number of the client that was opened last in this thread. */
let lastClient = 0;

/** Where `shared` keeps its clients: on the process, which outlives a hot reload of modules. */
const SHARED = Symbol.for('kingcong.shared');

function sharedClients(): Map<string, Promise<KingCong>> {
  const keeper = globalThis as unknown as Record<symbol, Map<string, Promise<KingCong>> | undefined>;
  return (keeper[SHARED] ??= new Map());
}

/** Who knocks, and for whom. */
interface Caller {
  readonly as?: Json;
  readonly of?: 'all' | { readonly tenant: string };
}

/** An opened library, until it closes. */
class Opened {
  readonly library: Library;
  closing: Promise<void> | undefined;

  constructor(library: Library) {
    this.library = library;
  }

  answer(door: string, given: Json, caller: Caller, { signal, attachment }: How): Answer | Promise<Answer> {
    if (this.closing !== undefined) throw problemOf('closed', 'this client was closed: open another');
    const asked = JSON.stringify({ door, with: given });
    const named = Object.keys(caller).length === 0 ? undefined : JSON.stringify(caller);
    return ask(() => this.library.knock(mailbox, asked, named, attachment), signal);
  }

  closeStream(stream: number): void {
    if (this.closing === undefined) this.library.closeStream(stream);
  }
}

/** The doors, as somebody asks at them, for a tenant. {@link Doors.acting} and {@link Doors.of} make one. */
export class Doors extends Root {
  /** Wallets and their ledger. */
  readonly wallets: Wallets;
  /** Packages of credits. */
  readonly packages: Packages;
  /** Prices. */
  readonly prices: Prices;
  /** Servers, services, routes, weights, maintenance. */
  readonly config: Config;
  /** Upstream keys. */
  readonly keys: Keys;
  /** Upstream accounts that several keys share. */
  readonly accounts: Accounts;
  /** What an operator says of tenants: their names, and who is suspended. */
  readonly tenants: Tenants;
  /** Voices, the upstreams' and the cloned ones. */
  readonly voices: Voices;
  /** Usage, errors, audit. */
  readonly reports: Reports;

  readonly #opened: Opened;
  readonly #caller: Caller;

  /** @internal */
  constructor(opened: Opened, caller: Caller) {
    super();
    this.#opened = opened;
    this.#caller = caller;
    const client = {
      knock: <T>(door: string, given: Json, how: How): Promise<T> => this.#knock(door, given, how),
    };
    this.wallets = new Wallets(client);
    this.packages = new Packages(client);
    this.prices = new Prices(client);
    this.config = new Config(client);
    this.keys = new Keys(client);
    this.accounts = new Accounts(client);
    this.tenants = new Tenants(client);
    this.voices = new Voices(client);
    this.reports = new Reports(client);
  }

  /**
   * The doors at which somebody acts in a role. Rows that the role does not reach are not found, doors that are not for
   * it reject with `forbidden`, and both what is done and what is refused is audited in the actor's name. You
   * authenticate, the library authorises. A client itself acts as the operator `system`.
   *
   * @example
   * ```ts
   * import { KingCong, KingCongError } from 'kingcong';
   *
   * await using kc = await KingCong.open('memory:', { preset: 'kingcong' });
   * const an = kc.acting({ actor: 'an', role: 'member', tenant: 'acme', user: 'an' });
   * console.log((await an.wallets.get('an')).balance); // 0
   * try {
   *   await an.config.get();
   * } catch (error) {
   *   console.log((error as KingCongError).code); // forbidden
   * }
   * ```
   */
  acting(access: Access): Doors {
    const as = encode(ACCESS, access, 'access');
    const own = as['tenant'] === undefined ? this.#caller : {};
    return new Doors(this.#opened, { ...own, as });
  }

  /**
   * The doors of this tenant: its jobs, wallets and voices. What belongs to another is not found, and what is submitted
   * or booked is this tenant's. A client itself asks for the tenant `main`.
   *
   * @example
   * ```ts
   * import { KingCong } from 'kingcong';
   *
   * await using kc = await KingCong.open('memory:', { preset: 'kingcong' });
   * await kc.of('acme').wallets.purchase(null, 'package-1', 'order-17');
   * console.log((await kc.of('acme').wallets.get(null)).balance); // 1000000
   * console.log((await kc.wallets.get(null)).balance); // 0
   * ```
   */
  of(tenant: string): Doors {
    return new Doors(this.#opened, { ...this.#caller, of: { tenant: text(tenant, 'tenant') } });
  }

  /**
   * The doors of every tenant, for operators: every job is found, and every wallet listed. What is submitted or booked,
   * and whatever names a user, is one tenant's and refused.
   */
  ofAll(): Doors {
    return new Doors(this.#opened, { ...this.#caller, of: 'all' });
  }

  /** What a request would cost now, without touching anything. */
  async estimate(request: Speech | CloneVoice, waiting?: Waiting): Promise<Estimate> {
    return this.#request('estimate', request, waiting);
  }

  /**
   * Submits a request: its money is held and its tasks are queued, both or neither.
   *
   * With an idempotency key the same request gives the same job, for ever; refusals for money are remembered too, so
   * use a new key after topping up. Rejects with `insufficient_credits`, `under_maintenance`, `no_route`,
   * `price_not_found`,
   * `voice_unavailable`, `idempotency_conflict`, `queue_full` or `invalid_request`; nothing is written then. Aborting
   * ends the waiting: the request may have been admitted.
   */
  async submit(request: Speech | CloneVoice, waiting?: Waiting): Promise<JobHandle> {
    return this.job(await this.#request<string>('submit', request, waiting));
  }

  /** Submits a request and waits until it has ended. Aborting ends the waiting, not the job. */
  async run(request: Speech | CloneVoice, waiting?: Waiting): Promise<JobReport> {
    const job = await this.submit(request, waiting);
    return job.wait(waiting);
  }

  /** The job of that id, whether it exists or not. */
  job(id: string): JobHandle {
    const client = {
      knock: <T>(door: string, given: Json, how: How): Promise<T> => this.#knock(door, given, how),
      result: (door: string, given: Json, signal: AbortSignal | undefined) => this.#result(door, given, signal),
      bytes: (door: string, given: Json, signal: AbortSignal | undefined) => this.#bytes(door, given, signal),
      closeStream: (stream: number) => this.#opened.closeStream(stream),
    };
    return new JobHandle(client, text(id, 'id'));
  }

  #answer(door: string, given: Json, how: How): Answer | Promise<Answer> {
    return this.#opened.answer(door, given, this.#caller, how);
  }

  async #knock<T>(door: string, given: Json, how: How): Promise<T> {
    const asked = this.#answer(door, given, how);
    // What is there at once is given at once.
    const { value } = asked instanceof Promise ? await asked : asked;
    return decode(value) as T;
  }

  /** @internal */
  protected override knock<T>(door: string, given: Json, signal: AbortSignal | undefined): Promise<T> {
    return this.#knock(door, given, { signal });
  }

  #request<T>(door: string, request: Speech | CloneVoice, waiting: Waiting | undefined): Promise<T> {
    const [asked, attachment] = requestOf(request);
    return this.#knock(door, { request: asked }, { signal: optionsOf({}, waiting)[1], attachment });
  }

  async #bytes(door: string, given: Json, signal: AbortSignal | undefined): Promise<Buffer> {
    const { bytes } = await this.#answer(door, given, { signal });
    return bytes ?? Buffer.alloc(0);
  }

  async #result(door: string, given: Json, signal: AbortSignal | undefined): Promise<JobResult | null> {
    const { value, bytes: audio } = await this.#answer(door, given, { signal });
    if (value === null) return null;
    const result = decode(value) as Record<string, unknown>;
    if (audio !== undefined) result['audio'] = audio;
    return result as unknown as JobResult;
  }
}

/**
 * The library on a database, in this process. Open it once and share it.
 *
 * An open client that waits for nothing lets the process end; what is under way then is taken over by another process,
 * or by the next start. `close()` finishes it.
 *
 * @example
 * ```ts
 * import { KingCong } from 'kingcong';
 *
 * await using kc = await KingCong.open('memory:', { preset: 'kingcong' });
 * await kc.keys.add('ai33', 'elevenlabs', 'sk-a-secret-of-the-upstream');
 * await kc.wallets.purchase('user-1', 'package-1', 'order-991');
 * const request = { user: 'user-1', text: 'Xin chào!', service: 'elevenlabs', voice: '21m00Tcm4TlvDq8ikWAM' };
 * console.log((await kc.estimate(request)).held); // 9
 * ```
 */
export class KingCong extends Doors {
  readonly #opened: Opened;
  readonly #number: number;
  /** The URL by which it is shared. */
  #sharedAs: string | undefined;

  /**
   * Opens the library on `sqlite://…`, `postgres://…`, `mysql://…` or `memory:`.
   *
   * Rejects with `store_unavailable` or `store_failed` for a database that cannot be used, `master_key_failed` for a
   * master key that cannot be had or is not the database's, and `invalid_request` for a setting outside of its bounds.
   */
  static async open(url: string, options: OpenOptions = {}): Promise<KingCong> {
    const { options: given, host, log, logLevel, signal } = await checkedOptionsOf(url, options);
    signal?.throwIfAborted();
    const number = ++lastClient;
    serve(number, host);
    if (log !== undefined) listen(number, log, logLevel);
    const begin = () => native.open(mailbox, JSON.stringify(given), number, host.masterKey?.id ?? null);
    const opening = KingCong.#openedBy(begin, number);
    return signal === undefined ? opening : openedUnless(signal, opening);
  }

  static async #openedBy(begin: () => AnswerOrTicket, number: number): Promise<KingCong> {
    try {
      const { library } = await ask(begin);
      return new KingCong(new Opened(library as Library), number);
    } catch (error) {
      leave(number);
      throw error;
    }
  }

  /**
   * The client of this process for a URL: opened by the first call, and the same for every later one, whose options
   * count for nothing. It is kept on the process and not in a module, so it survives the hot reload of `next dev`.
   *
   * @example
   * ```ts
   * import { KingCong } from 'kingcong';
   *
   * export const kingcong = () => KingCong.shared('memory:', { preset: 'kingcong' });
   *
   * console.log((await kingcong()) === (await kingcong())); // true
   * ```
   */
  static shared(url: string, options: OpenOptions = {}): Promise<KingCong> {
    const clients = sharedClients();
    let client = clients.get(url);
    if (client === undefined) {
      client = KingCong.#openShared(url, options);
      clients.set(url, client);
    }
    return client;
  }

  static async #openShared(url: string, options: OpenOptions): Promise<KingCong> {
    try {
      const client = await KingCong.open(url, options);
      client.#sharedAs = url;
      return client;
    } catch (error) {
      // The next call tries again.
      sharedClients().delete(url);
      throw error;
    }
  }

  private constructor(opened: Opened, number: number) {
    super(opened, {});
    this.#opened = opened;
    this.#number = number;
  }

  /**
   * Stops claiming and submitting, and waits for what is under way, at most `drainMs` (30 s).
   *
   * What is under way then is taken over by another process, or by this one when it opens again. Closing again waits
   * for the same end.
   */
  async close(waiting?: Waiting): Promise<void> {
    const signal = optionsOf({}, waiting)[1];
    signal?.throwIfAborted();
    this.#opened.closing ??= this.#close();
    return signal === undefined ? this.#opened.closing : unless(signal, this.#opened.closing);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    if (this.#sharedAs !== undefined) sharedClients().delete(this.#sharedAs);
    try {
      await ask(() => this.#opened.library.close(mailbox));
    } finally {
      leave(this.#number);
    }
  }
}

function leave(client: number): void {
  dismiss(client);
  mute(client);
}

/** Waits, unless the signal ends the waiting. */
function unless<T>(signal: AbortSignal, awaited: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    awaited.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** As `unless`; what opens after all is closed again, because nobody has it. */
async function openedUnless(signal: AbortSignal, opening: Promise<KingCong>): Promise<KingCong> {
  try {
    return await unless(signal, opening);
  } catch (error) {
    opening.then((client) => client.close()).catch(() => {});
    throw error;
  }
}
