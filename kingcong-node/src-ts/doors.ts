/**
 * The doors in their groups. Every door takes `{ signal }` as (part of) its last argument: aborting ends the waiting,
 * and never what was asked or its settlement.
 *
 * @module
 */

import type {
  Account,
  AuditEntry,
  ClonedVoice,
  Credited,
  Entry,
  ErrorRecord,
  Explanation,
  Key,
  Limits,
  Maintenance,
  Operation,
  Package,
  Price,
  SplitShare,
  Switch,
  System,
  Tenant,
  TenantState,
  Unit,
  UsageRecord,
  VoicePage,
  Wallet,
} from './answers';
import {
  LIMITS,
  LIMITS_CHANGE,
  OPERATION,
  SWITCH,
  UNIT,
  maintenanceOf,
  orderedOf,
  packageOf,
  priceOf,
  serverChangeOf,
  serverOf,
} from './fields';
import type { Amount, LimitsChange, NewPackage, NewPrice, Ordered, Server, ServerChange, Waiting } from './types';
import {
  amount,
  count,
  encode,
  flag,
  instant,
  mapping,
  optional,
  optionsOf,
  record,
  text,
  type Fields,
  type Json,
} from './wire';

/** @internal Whoever can be knocked at. */
export interface Client {
  knock<T>(door: string, given: Json, how: How): Promise<T>;
}

/** @internal How a door is knocked at. */
export interface How {
  readonly signal?: AbortSignal | undefined;
  readonly attachment?: Buffer | undefined;
}

/** Rows that a door answers when it is not told how many; at most 1,000. */
const LIMIT = 100;
const NOTHING: Fields = {};

/** Doors that belong together. */
abstract class Group {
  readonly #client: Client;

  /** @internal */
  constructor(client: Client) {
    this.#client = client;
  }

  /** @internal */
  protected knock<T>(door: string, given: Json, signal: AbortSignal | undefined): Promise<T> {
    return this.#client.knock(door, given, { signal });
  }

  /** @internal A door that takes these arguments and no options but the signal. */
  protected ask<T>(door: string, given: { readonly [name: string]: Json }, waiting: Waiting | undefined): Promise<T> {
    return this.knock(door, given, optionsOf(NOTHING, waiting)[1]);
  }
}

const WALLETS_GET: Fields = { unit: optional(UNIT) };
const WALLETS_LIST: Fields = {
  unit: optional(UNIT),
  inDebt: optional(flag),
  after: optional(text),
  limit: optional(count),
};
const WALLETS_PURCHASE: Fields = { ordered: optional(orderedOf) };
const WALLETS_REFUND: Fields = {
  amount: optional(amount),
  reason: text,
  idempotencyKey: text,
  unit: optional(UNIT),
};
const WALLETS_ADJUST: Fields = { reason: text, idempotencyKey: text, unit: optional(UNIT) };
const WALLETS_HISTORY: Fields = { before: optional(count), limit: optional(count), unit: optional(UNIT) };
/** The unit of a wallet when none is named. */
const CREDITS = { unit: 'credit' } as const;

/** A user; null for the tenant itself. */
function ownerOf(user: string | null): string | null {
  return user === null ? null : text(user, 'user');
}

/**
 * Wallets of the tenant and their ledger, in KingCong credits unless `unit` says otherwise. `user: null` is the tenant's
 * own wallet.
 */
export class Wallets extends Group {
  /**
   * A user's wallet; an empty one when the user never had any.
   *
   * @example
   * ```ts
   * import { KingCong } from 'kingcong';
   *
   * await using kc = await KingCong.open('memory:', { preset: 'kingcong' });
   * console.log((await kc.wallets.get('user-1')).balance); // 0
   * ```
   */
  async get(user: string | null, options?: Waiting & { readonly unit?: Unit | undefined }): Promise<Wallet> {
    const [given, signal] = optionsOf(WALLETS_GET, options);
    return this.knock('wallets.get', { ...CREDITS, ...given, user: ownerOf(user) }, signal);
  }

  /**
   * Wallets of the tenant, its own and its users', in the order of their ids, those after the id `after`.
   * `inDebt: true` lists only those that owe something; at most 1,000 at once.
   *
   * @example
   * ```ts
   * import { KingCong } from 'kingcong';
   *
   * await using kc = await KingCong.open('memory:', { preset: 'kingcong' });
   * await kc.wallets.adjust('user-1', -5, { reason: 'a fee', idempotencyKey: 'fee-1' });
   * for (const wallet of await kc.wallets.list({ inDebt: true })) console.log(wallet.user, wallet.debt); // user-1 5
   * ```
   */
  async list(
    options?: Waiting & {
      readonly unit?: Unit | undefined;
      readonly inDebt?: boolean | undefined;
      readonly after?: string | undefined;
      readonly limit?: number | undefined;
    },
  ): Promise<Wallet[]> {
    const [given, signal] = optionsOf(WALLETS_LIST, options);
    return this.knock('wallets.list', { in_debt: false, limit: LIMIT, ...given }, signal);
  }

  /**
   * Books a paid package. `order` is the idempotency key: the same order is booked once, for ever.
   *
   * `ordered` is what the buyer was shown and paid: a package that is something else by now is not booked. Without it
   * the package is booked as it is now.
   *
   * Rejects with `not_found` for a package that is not on sale, `amount_refused` for one that is not what was ordered,
   * `idempotency_conflict` for an order that was used for another package or owner.
   *
   * @example
   * ```ts
   * import { KingCong } from 'kingcong';
   *
   * await using kc = await KingCong.open('memory:', { preset: 'kingcong' });
   * await kc.wallets.purchase('user-1', 'package-1', 'order-991');
   * await kc.wallets.purchase('user-1', 'package-1', 'order-991'); // a replay
   * console.log((await kc.wallets.get('user-1')).balance); // 1000000
   * ```
   */
  async purchase(
    user: string | null,
    packageId: string,
    order: string,
    options: Waiting & { readonly ordered?: Ordered | undefined } = {},
  ): Promise<Credited> {
    const [given, signal] = optionsOf(WALLETS_PURCHASE, options);
    const bought = { user: ownerOf(user), package: text(packageId, 'packageId'), order: text(order, 'order') };
    return this.knock('wallets.purchase', { ...given, ...bought }, signal);
  }

  /**
   * Gives back what a task was charged, or `amount` of it; never more, however often it is asked.
   *
   * Rejects with `not_found` for a task that another wallet paid for, `amount_refused` for more than is left.
   */
  async refund(
    user: string | null,
    task: string,
    options: Waiting & {
      readonly amount?: Amount | undefined;
      readonly reason: string;
      readonly idempotencyKey: string;
      readonly unit?: Unit | undefined;
    },
  ): Promise<Credited> {
    const [given, signal] = optionsOf(WALLETS_REFUND, options);
    return this.knock(
      'wallets.refund',
      { ...CREDITS, ...given, user: ownerOf(user), task: text(task, 'task') },
      signal,
    );
  }

  /**
   * Corrects a balance by an operator's word; a negative correction beyond what is available becomes debt.
   *
   * @example
   * ```ts
   * import { KingCong } from 'kingcong';
   *
   * await using kc = await KingCong.open('memory:', { preset: 'kingcong' });
   * const why = { reason: 'welcome', idempotencyKey: 'w-1' };
   * const gift = await kc.acting({ actor: 'admin-7', role: 'operator' }).wallets.adjust('user-1', 500, why);
   * console.log(gift.balanceAfter); // 500
   * ```
   */
  async adjust(
    user: string | null,
    change: Amount,
    options: Waiting & {
      readonly reason: string;
      readonly idempotencyKey: string;
      readonly unit?: Unit | undefined;
    },
  ): Promise<Credited> {
    const [given, signal] = optionsOf(WALLETS_ADJUST, options);
    const asked = { ...CREDITS, ...given, user: ownerOf(user), change: amount(change, 'change') };
    return this.knock('wallets.adjust', asked, signal);
  }

  /**
   * The entries of a user's wallet, newest first, with a number below `before`.
   *
   * @example
   * ```ts
   * import { KingCong } from 'kingcong';
   *
   * await using kc = await KingCong.open('memory:', { preset: 'kingcong' });
   * await kc.wallets.purchase('user-1', 'package-1', 'order-991');
   * for (const entry of await kc.wallets.history('user-1')) console.log(entry.kind, entry.amount); // purchase 1000000
   * ```
   */
  async history(
    user: string | null,
    options?: Waiting & {
      readonly before?: number | undefined;
      readonly limit?: number | undefined;
      readonly unit?: Unit | undefined;
    },
  ): Promise<Entry[]> {
    const [given, signal] = optionsOf(WALLETS_HISTORY, options);
    return this.knock('wallets.history', { limit: LIMIT, ...CREDITS, ...given, user: ownerOf(user) }, signal);
  }
}

/** Packages of credits. */
export class Packages extends Group {
  /**
   * The packages, on sale or not.
   *
   * @example
   * ```ts
   * import { KingCong } from 'kingcong';
   *
   * await using kc = await KingCong.open('memory:', { preset: 'kingcong' });
   * const [first] = await kc.packages.list();
   * console.log(first?.id, first?.credits, first?.price); // package-1 1000000 5
   * ```
   */
  async list(waiting?: Waiting): Promise<Package[]> {
    return this.ask('packages.list', {}, waiting);
  }

  /** Sets a package; it replaces the one of the same id. Prices are in dollars unless `currency` says otherwise. */
  async set(offer: NewPackage, waiting?: Waiting): Promise<void> {
    await this.ask('packages.set', { package: packageOf(offer) }, waiting);
  }

  /** Takes a package off sale. */
  async remove(packageId: string, waiting?: Waiting): Promise<void> {
    await this.ask('packages.remove', { package: text(packageId, 'packageId') }, waiting);
  }
}

const PRICES_REMOVE: Fields = { model: optional(text) };

/** Prices. A job keeps the prices that it was admitted with. */
export class Prices extends Group {
  /** The prices in force. */
  async list(waiting?: Waiting): Promise<Price[]> {
    return this.ask('prices.list', {}, waiting);
  }

  /**
   * Sets a price; it replaces the one for the same route, model and operation.
   *
   * @example
   * ```ts
   * import { KingCong } from 'kingcong';
   *
   * await using kc = await KingCong.open('memory:', { preset: 'kingcong' });
   * await kc.acting({ actor: 'admin-7', role: 'operator' }).prices.set({
   *   server: 'ai33',
   *   service: 'minimax',
   *   operation: 'text_to_speech',
   *   lines: [{ measure: 'character', price: '0.5' }],
   * });
   * ```
   */
  async set(price: NewPrice, waiting?: Waiting): Promise<void> {
    await this.ask('prices.set', { price: priceOf(price) }, waiting);
  }

  /** Takes a price away: requests that need it are refused from now on. */
  async remove(
    server: string,
    service: string,
    operation: Operation,
    options?: Waiting & { readonly model?: string | undefined },
  ): Promise<void> {
    const [given, signal] = optionsOf(PRICES_REMOVE, options);
    const named = { ...routeOf(server, service), operation: OPERATION(operation, 'operation') };
    await this.knock('prices.remove', { ...given, ...named }, signal);
  }
}

function routeOf(server: unknown, service: unknown): { readonly server: string; readonly service: string } {
  return { server: text(server, 'server'), service: text(service, 'service') };
}

const WEIGHTS = mapping(count);
const ADD_SERVER: Fields = { services: mapping(SWITCH) };
const HISTORY: Fields = { limit: optional(count) };

/**
 * Servers, services, routes, weights, maintenance. A change is acknowledged when it is durable; nothing starts against
 * it after that, in any process.
 */
export class Config extends Group {
  /** The configuration as it stands. */
  async get(waiting?: Waiting): Promise<System> {
    return this.ask('config.get', {}, waiting);
  }

  /**
   * The classification of the whole and, per service, where it is served or what the user is told.
   *
   * @example
   * ```ts
   * import { KingCong } from 'kingcong';
   *
   * await using kc = await KingCong.open('memory:', { preset: 'kingcong' });
   * console.log((await kc.config.explain()).state); // all_on
   * ```
   */
  async explain(waiting?: Waiting): Promise<Explanation> {
    return this.ask('config.explain', {}, waiting);
  }

  /** Switches a route on or off. */
  async setRoute(server: string, service: string, to: Switch, waiting?: Waiting): Promise<void> {
    await this.ask('config.set_route', { ...routeOf(server, service), switch: SWITCH(to, 'to') }, waiting);
  }

  /**
   * Puts services under maintenance, or everything (`{ isFull: true }`), or nothing any more (`{}`). Running calls
   * finish, queued tasks wait, and go on when it is lifted.
   */
  async setMaintenance(maintenance: Partial<Maintenance>, waiting?: Waiting): Promise<void> {
    await this.ask('config.set_maintenance', { maintenance: maintenanceOf(maintenance) }, waiting);
  }

  /** Sets the weights that tasks are split by, such as `{ ai33: 70, ai84: 30 }`; the next task follows. */
  async setWeights(weights: Readonly<Record<string, number>>, waiting?: Waiting): Promise<void> {
    await this.ask('config.set_weights', { weights: WEIGHTS(weights, 'weights') }, waiting);
  }

  /** Adds a server with the services that it sells. No code is needed when it speaks a known protocol. */
  async addServer(
    id: string,
    server: Server,
    options: Waiting & { readonly services: Readonly<Record<string, Switch>> },
  ): Promise<void> {
    const [given, signal] = optionsOf(ADD_SERVER, options);
    await this.knock('config.add_server', { ...given, id: text(id, 'id'), server: serverOf(server) }, signal);
  }

  /**
   * Changes a server; what is not named stays, its protocol in any case.
   *
   * A base URL with another scheme, host or port suspends the server's keys, in every process: a secret is sent to nobody
   * but whom it was registered for. Each is used again once `keys.add` got its secret again.
   */
  async updateServer(id: string, change: ServerChange, waiting?: Waiting): Promise<void> {
    await this.ask('config.update_server', { id: text(id, 'id'), change: serverChangeOf(change) }, waiting);
  }

  /** Removes a server; tasks planned on it move to others that they were admitted for. Its keys are suspended. */
  async removeServer(id: string, waiting?: Waiting): Promise<void> {
    await this.ask('config.remove_server', { id: text(id, 'id') }, waiting);
  }

  /** Adds a service, to be sold on routes; `name` is what users read. */
  async addService(id: string, name: string, waiting?: Waiting): Promise<void> {
    await this.ask('config.add_service', { id: text(id, 'id'), name: text(name, 'name') }, waiting);
  }

  /**
   * What was changed of all that tenants share (servers, prices, packages, keys and their accounts), newest first. It is the
   * part of `reports.audit` that is of no tenant.
   */
  async history(options?: Waiting & { readonly limit?: number | undefined }): Promise<AuditEntry[]> {
    const [given, signal] = optionsOf(HISTORY, options);
    return this.knock('config.history', { limit: LIMIT, ...given }, signal);
  }
}

const KEYS_ADD: Fields = {
  label: optional(text),
  limits: optional(record(LIMITS)),
  account: optional(text),
  accountLimits: optional(record(LIMITS)),
};

/** Upstream keys. Their secrets go in and never come out. */
export class Keys extends Group {
  /**
   * Registers a key that all users share; `limits` are the server's defaults when left out. `account` names the
   * upstream account that the key belongs to, whose own limits its keys share: `accountLimits` are needed with the
   * account's first key, and may be left out with others.
   *
   * Rejects with `key_refused` for the same secret again, with the id of the key that has it in `fields.key`, and for an
   * account that has other limits, with these in `fields.maxInFlight` and `fields.perMinute`; `accounts.setLimits`
   * changes them.
   *
   * @example
   * ```ts
   * import { KingCong } from 'kingcong';
   *
   * await using kc = await KingCong.open('memory:', { preset: 'kingcong' });
   * const key = await kc.keys.add('ai33', 'elevenlabs', 'sk-a-secret-of-the-upstream');
   * console.log(key.mask); // sk-a…ream
   * ```
   */
  async add(
    server: string,
    service: string,
    secret: string,
    options?: Waiting & {
      readonly label?: string | undefined;
      readonly limits?: Limits | undefined;
      readonly account?: string | undefined;
      readonly accountLimits?: Limits | undefined;
    },
  ): Promise<Key> {
    const [given, signal] = optionsOf(KEYS_ADD, options);
    if (typeof secret !== 'string') throw new TypeError('secret must be a string');
    return this.knock('keys.add', { ...given, ...routeOf(server, service), secret }, signal);
  }

  /** Every key that was not removed. */
  async list(waiting?: Waiting): Promise<Key[]> {
    return this.ask('keys.list', {}, waiting);
  }

  /** A key by its id. */
  async get(key: string, waiting?: Waiting): Promise<Key> {
    return this.ask('keys.get', { key: text(key, 'key') }, waiting);
  }

  /** Changes a key's limits; what is not named stays. */
  async setLimits(key: string, change: LimitsChange, waiting?: Waiting): Promise<Key> {
    const given = encode(LIMITS_CHANGE, change, 'change');
    return this.ask('keys.set_limits', { ...given, key: text(key, 'key') }, waiting);
  }

  /** Switches a key on. One known to be dead stays out of its pool until a check finds it alive. */
  async enable(key: string, waiting?: Waiting): Promise<Key> {
    return this.ask('keys.enable', { key: text(key, 'key') }, waiting);
  }

  /** Switches a key off: it gets no new calls; those under way finish. */
  async disable(key: string, waiting?: Waiting): Promise<Key> {
    return this.ask('keys.disable', { key: text(key, 'key') }, waiting);
  }

  /** Removes a key for good: its secret is wiped, its history stays. */
  async remove(key: string, waiting?: Waiting): Promise<Key> {
    return this.ask('keys.remove', { key: text(key, 'key') }, waiting);
  }

  /** Asks the upstream about a key, by a call that costs nothing. */
  async check(key: string, waiting?: Waiting): Promise<Key> {
    return this.ask('keys.check', { key: text(key, 'key') }, waiting);
  }
}

/** Upstream accounts that several keys share. One is known once a key is registered under its name. */
export class Accounts extends Group {
  /**
   * Every account that a key was registered under, by server and name, with its limits, what of them is used and its
   * keys. One whose keys were all removed keeps its limits for the next.
   */
  async list(waiting?: Waiting): Promise<Account[]> {
    return this.ask('accounts.list', {}, waiting);
  }

  /**
   * Changes an account's limits; what is not named stays. Every process keeps them from its next start of a call on, and
   * calls under way end as ever.
   *
   * @example
   * ```ts
   * import { KingCong } from 'kingcong';
   *
   * await using kc = await KingCong.open('memory:', { preset: 'kingcong' });
   * const of = { account: 'us', accountLimits: { maxInFlight: 30, perMinute: 10 } };
   * await kc.keys.add('ai33', 'elevenlabs', 'sk-a-secret-of-the-upstream', of);
   * const { limits } = await kc.acting({ actor: 'admin-7', role: 'operator' }).accounts.setLimits('ai33', 'us', { perMinute: 5 });
   * console.log(limits.maxInFlight, limits.perMinute); // 30 5
   * ```
   */
  async setLimits(server: string, account: string, change: LimitsChange, waiting?: Waiting): Promise<Account> {
    const given = encode(LIMITS_CHANGE, change, 'change');
    const of = { server: text(server, 'server'), account: text(account, 'account') };
    return this.ask('accounts.set_limits', { ...given, ...of }, waiting);
  }
}

const TENANTS: Fields = { after: optional(text), limit: optional(count) };

/** What an operator says of tenants. One of which nothing was ever said is active. */
export class Tenants extends Group {
  /**
   * Says what a tenant is called and whether it may order. A suspended one submits, retries and purchases nothing, from
   * this moment on and in every process; what is under way goes on, and everything can be read.
   *
   * @example
   * ```ts
   * import { KingCong } from 'kingcong';
   *
   * await using kc = await KingCong.open('memory:', { preset: 'kingcong' });
   * const { version } = await kc.tenants.set('acme', 'Acme Ltd.', 'suspended');
   * console.log(version); // 1
   * ```
   */
  async set(id: string, name: string, state: TenantState, waiting?: Waiting): Promise<Tenant> {
    const given = { id: text(id, 'id'), name: text(name, 'name'), state: text(state, 'state') };
    return this.ask('tenants.set', given, waiting);
  }

  /** What is said of a tenant; null where nothing ever was: it is active then. */
  async get(id: string, waiting?: Waiting): Promise<Tenant | null> {
    return this.ask('tenants.get', { id: text(id, 'id') }, waiting);
  }

  /** Tenants of which something is said, in the order of their ids, behind `after`; at most 1,000 at once. */
  async list(
    options?: Waiting & { readonly after?: string | undefined; readonly limit?: number | undefined },
  ): Promise<Tenant[]> {
    const [given, signal] = optionsOf(TENANTS, options);
    return this.knock('tenants.list', { limit: LIMIT, ...given }, signal);
  }
}

const VOICES_OFFERED: Fields = { page: optional(text) };

/** Voices, the upstreams' and the cloned ones. */
export class Voices extends Group {
  /**
   * A page of the voices that a route offers, asked of its upstream; `page` is the last answer's `next`. What users
   * cloned on the key's account is listed too, with the origin `cloned`: show other users only the library's voices.
   */
  async offered(
    server: string,
    service: string,
    options?: Waiting & { readonly page?: string | undefined },
  ): Promise<VoicePage> {
    const [given, signal] = optionsOf(VOICES_OFFERED, options);
    return this.knock('voices.offered', { ...given, ...routeOf(server, service) }, signal);
  }

  /** The voices that a user cloned. */
  async cloned(user: string, waiting?: Waiting): Promise<ClonedVoice[]> {
    return this.ask('voices.cloned', { user: text(user, 'user') }, waiting);
  }
}

/**
 * Which attempts: newest first, leased at `since` or later and before `until`, older than the attempt `before`; a route
 * is a server and a service.
 */
export interface Attempts extends Waiting {
  readonly job?: string | undefined;
  readonly key?: string | undefined;
  readonly server?: string | undefined;
  readonly service?: string | undefined;
  readonly since?: Date | undefined;
  readonly until?: Date | undefined;
  readonly before?: string | undefined;
  /** 100 when left out, at most 1,000. */
  readonly limit?: number | undefined;
}

const ATTEMPTS: Fields = {
  job: optional(text),
  key: optional(text),
  server: optional(text),
  service: optional(text),
  since: optional(instant),
  until: optional(instant),
  before: optional(text),
  limit: optional(count),
};
const AUDIT: Fields = { before: optional(text), limit: optional(count) };

/** What happened. Usage and errors are those of the handle's tenant; the split and the audit are of every tenant. */
export class Reports extends Group {
  /** Usage records, newest first. */
  async usage(attempts?: Attempts): Promise<UsageRecord[]> {
    const [filter, signal] = optionsOf(ATTEMPTS, attempts);
    return this.knock('reports.usage', { filter: { limit: LIMIT, ...filter } }, signal);
  }

  /** The error log: attempts that failed or whose answer was lost, newest first. */
  async errors(attempts?: Attempts): Promise<ErrorRecord[]> {
    const [filter, signal] = optionsOf(ATTEMPTS, attempts);
    return this.knock('reports.errors', { filter: { limit: LIMIT, ...filter } }, signal);
  }

  /** How the last 1,000 attempts were spread over routes, of those that ended. */
  async split(waiting?: Waiting): Promise<SplitShare[]> {
    return this.ask('reports.split', {}, waiting);
  }

  /** What was done at admin doors, newest first, older than the entry `before`. */
  async audit(
    options?: Waiting & { readonly before?: string | undefined; readonly limit?: number | undefined },
  ): Promise<AuditEntry[]> {
    const [given, signal] = optionsOf(AUDIT, options);
    return this.knock('reports.audit', { limit: LIMIT, ...given }, signal);
  }
}
