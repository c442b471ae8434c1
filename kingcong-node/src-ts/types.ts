/**
 * The records and words of the library: what requests are made of, and what doors answer.
 *
 * Instants are `Date`, durations are milliseconds in fields whose names end in `Ms`, ids are strings.
 *
 * @module
 */

/**
 * An amount of a unit: a whole number where the unit has no digits after the point (credits), and a decimal string
 * otherwise (`'0.10'`), because a number cannot hold 0.1. Both are taken everywhere: a number must be whole and safe.
 */
export type Amount = number | string;

/** What a wallet holds. The digits after the point are fixed for ever: 0, 3 and 9. */
export type Unit = 'credit' | 'nextflow' | 'usd';
/** An administrator's switch. */
export type Switch = 'on' | 'off';
/** What is done. */
export type Operation = 'text_to_speech' | 'voice_cloning';
/** Whose keys a call is made with: the operator's, which serve every tenant. */
export type Lane = 'shared';
/**
 * Why a task is on its route: the split chose it when the task was queued, or the route before it failed the task or
 * did not serve.
 */
export type RouteCause = 'planned' | 'moved';
/** What a price counts, in the smallest part that is counted. */
export type Measure = 'character' | 'request' | 'audio_ms' | 'token' | 'image';
/** Audio container and coding. */
export type AudioFormat = 'mp3' | 'wav';
/** Whether subtitles are wanted. */
export type Subtitles = 'no' | 'srt';
/** Whose wallet pays. */
export type Payer = 'user' | 'tenant';
/** What a process does: submits and works, or submits only. */
export type Mode = 'both' | 'client';
/** What somebody is to the library; which doors each may use stands in the table of `docs/node.md`. */
export type Role =
  'operator' | 'operator_billing' | 'support' | 'auditor' | 'tenant_admin' | 'tenant_billing' | 'member';
/** What became of an audited call: it was done, or the role may not use the door. */
export type AuditOutcome = 'done' | 'refused';
/** What to do with a task whose answer was lost: try it once more, recorded, or fail it. */
export type UnknownPolicy = 'retry' | 'fail';
/** Where a job is. */
export type JobState =
  'open' | 'cancelling' | 'expiring' | 'completed' | 'completed_with_failures' | 'failed' | 'cancelled';
/** Where a task is. */
export type TaskState = 'pending' | 'processing' | 'completed' | 'failed';
/** What an entry of the ledger records. */
export type EntryKind = 'purchase' | 'usage' | 'refund' | 'adjustment' | 'debt_payment';
/**
 * What the library knows of a key; apart from the administrator's switch. It is `unreadable` when its stored secret does
 * not open, and `suspended` when its server moved to another scheme, host or port: both are mended by `keys.add` with the
 * same secret.
 */
export type KeyStatus = 'active' | 'doubtful' | 'dead' | 'out_of_credit' | 'unreadable' | 'suspended' | 'removed';
/** Whether asking a server for a result counts as a call. */
export type PollsCount = 'free' | 'counted';
/** A service's health as its server tells it. */
export type Health = 'good' | 'degraded' | 'overloaded';
/** What a route's last calls let through: everything, one call to see, or nothing for now. */
export type Passage = 'open' | 'probe' | 'closed';
/** What a failure means, and so whom it concerns. */
export type FailureKind =
  | 'bad_request'
  | 'policy'
  | 'not_allowed'
  | 'key_dead'
  | 'key_doubtful'
  | 'out_of_credit'
  | 'key_rate_limited'
  | 'account_rate_limited'
  | 'egress_rate_limited'
  | 'busy'
  | 'unknown'
  | 'too_large'
  | 'undeliverable'
  | 'unsupported';

/** What every door takes: aborting ends the waiting, and never what was asked or its settlement. */
export interface Waiting {
  readonly signal?: AbortSignal | undefined;
}

// --- requests

/**
 * Settings of a voice in hundredths; the upstream's own where left out. `speed` goes from 50 to 200 (100 is the voice's
 * own), the others from 0 to 100.
 */
export interface VoiceSettings {
  readonly stability?: number | undefined;
  readonly similarity?: number | undefined;
  readonly style?: number | undefined;
  readonly speed?: number | undefined;
}

/** What both kinds of request have. */
export interface Asked {
  readonly user: string;
  readonly service: string;
  /** The user's share when many wait: twice the weight, twice the tasks. 1 when left out. */
  readonly weight?: number | undefined;
  /** How long it may take; then what was not sent fails, and costs nothing. */
  readonly deadlineMs?: number | undefined;
  /** Schedules it, up to 366 days ahead. */
  readonly startAt?: Date | undefined;
  readonly payer?: Payer | undefined;
  /** Makes it safe to submit again: the same key and request give the same job, for ever. */
  readonly idempotencyKey?: string | undefined;
}

/**
 * Asks for a text to be spoken. Of `voice`, `voices` and `clonedVoice` at most one is given.
 */
export interface Speech extends Asked {
  readonly text: string;
  /** The upstream's id of a voice, the same on every server. */
  readonly voice?: string | undefined;
  /** Each server's own id of the voice, such as `{ ai33: '…', ai84: '…' }`. */
  readonly voices?: Readonly<Record<string, string>> | undefined;
  /** The id of a voice that the user cloned. */
  readonly clonedVoice?: string | undefined;
  readonly model?: string | undefined;
  readonly language?: string | undefined;
  readonly format?: AudioFormat | undefined;
  readonly subtitles?: Subtitles | undefined;
  readonly settings?: VoiceSettings | undefined;
  /** Into how many tasks the text is cut at most; as few as possible when left out. */
  readonly pieces?: number | undefined;
}

/** Asks for a voice to be made from a recording of at most 20 MiB. */
export interface CloneVoice extends Asked {
  readonly name: string;
  readonly sample: Uint8Array;
  readonly contentType: string;
  readonly previewText?: string | undefined;
}

/** How many calls are allowed: at once, and started within any 60 seconds. Both at least 1. */
export interface Limits {
  readonly maxInFlight: number;
  readonly perMinute: number;
}

/** What of {@link Limits} changes; what is left out stays. */
export interface LimitsChange {
  readonly maxInFlight?: number | undefined;
  readonly perMinute?: number | undefined;
}

/** So much, in whole units, per so many of a measure: `{ measure: 'token', price: '0.075', per: 1_000_000 }`. */
export interface PriceLine {
  readonly measure: Measure;
  readonly price: Amount;
  /** 1 when left out. */
  readonly per?: number | undefined;
}

/** What an operation costs on a route, to be set; no lines mean that it is free. */
export interface NewPrice {
  readonly server: string;
  readonly service: string;
  readonly operation: Operation;
  readonly lines: readonly PriceLine[];
  readonly unit?: Unit | undefined;
  readonly model?: string | null | undefined;
  readonly name?: string | undefined;
  /**
   * Whether the payer bears what is beyond a job's hold: it is taken from what the wallet has available, and the rest
   * becomes debt. False when left out: a job is charged at most its hold, however much audio came back.
   */
  readonly overrun?: boolean | undefined;
  readonly switch?: Switch | undefined;
  /**
   * Leave it out for the next one, or give the one after the version that you read, and somebody else's change in
   * between is refused.
   */
  readonly version?: number | undefined;
}

/** A price in force; `version` counts how often it was set, `since` is when. */
export interface Price {
  readonly server: string;
  readonly service: string;
  readonly operation: Operation;
  readonly lines: readonly { readonly measure: Measure; readonly price: string; readonly per: number }[];
  readonly unit: Unit;
  readonly model: string | null;
  readonly name: string;
  readonly overrun: boolean;
  readonly switch: Switch;
  readonly version: number;
  readonly since: Date;
}

/** Credits that are sold together, to be set: `credits` of `unit` for `price` in `currency`. */
export interface NewPackage {
  readonly id: string;
  readonly label: string;
  readonly credits: Amount;
  readonly price: Amount;
  readonly unit?: Unit | undefined;
  readonly currency?: Unit | undefined;
  readonly switch?: Switch | undefined;
}

/** What an order says of its package: what the buyer was shown, and pays. */
export interface Ordered {
  readonly credits: Amount;
  readonly price: Amount;
  /** Credits when left out. */
  readonly unit?: Unit | undefined;
  /** US dollars when left out. */
  readonly currency?: Unit | undefined;
}

/** Credits that are sold together: `credits` of `unit` for `price` in `currency`. */
export interface Package {
  readonly id: string;
  readonly label: string;
  readonly credits: Amount;
  readonly price: Amount;
  readonly unit: Unit;
  readonly currency: Unit;
  readonly switch: Switch;
}

/**
 * An upstream gateway to add. `baseUrl` is `https`; plain `http` is taken on loopback alone. `limits` are those of keys
 * added without any of their own, `egress` those of all calls from one address, where the server counts by address.
 */
export interface Server {
  readonly protocol: string;
  readonly baseUrl: string;
  readonly weight: number;
  readonly limits: Limits;
  readonly polls?: PollsCount | undefined;
  readonly egress?: Limits | null | undefined;
}

/** What of a server changes, as in {@link Server}; what is left out stays. Its protocol stays in any case. */
export interface ServerChange {
  readonly baseUrl?: string | undefined;
  readonly weight?: number | undefined;
  readonly limits?: Limits | undefined;
  readonly polls?: PollsCount | undefined;
  /** `'lifted'`: none any more. */
  readonly egress?: Limits | 'lifted' | undefined;
}

// --- the configuration

/** What is under maintenance: everything, or these services. */
export interface Maintenance {
  readonly isFull: boolean;
  readonly services: readonly string[];
}

/** A server of the configuration. */
export interface ServerInfo {
  readonly id: string;
  readonly protocol: string;
  readonly baseUrl: string;
  readonly weight: number;
  readonly polls: PollsCount;
  readonly limits: Limits;
  readonly egress: Limits | null;
}

/** What is bought on a server, with its name for users. */
export interface Service {
  readonly id: string;
  readonly name: string;
}

/** A server's service, and whether it is used. */
export interface Route {
  readonly server: string;
  readonly service: string;
  readonly switch: Switch;
}

/** The configuration as it stands; `version` counts its changes. */
export interface System {
  readonly version: number;
  readonly servers: readonly ServerInfo[];
  readonly services: readonly Service[];
  readonly routes: readonly Route[];
  readonly maintenance: Maintenance;
}

/** What a user may be told, in English and Vietnamese. */
export interface Message {
  readonly code: string;
  readonly en: string;
  readonly vi: string;
}

/** A server and the weight by which it shares work. */
export interface Share {
  readonly server: string;
  readonly weight: number;
}

/** How a service stands: the servers that share its work, or what its users are told. */
export interface Standing {
  readonly service: string;
  readonly servers: readonly Share[];
  readonly refused: Message | null;
}

/** The named case that the switches make (`all_on`, `case1` …), and how each service stands. */
export interface Explanation {
  readonly version: number;
  readonly state: string;
  readonly maintenance: Maintenance;
  readonly services: readonly Standing[];
}

/** A route as a status bar shows it. */
export interface RouteStatus {
  readonly server: string;
  readonly service: string;
  readonly switch: Switch;
  readonly keys: number;
  readonly waiting: number;
  readonly passage: Passage;
  readonly closedUntil: Date | null;
  readonly health: Health | null;
  readonly isServedHere: boolean;
}

/** What a status bar shows. */
export interface Status {
  readonly explanation: Explanation;
  readonly routes: readonly RouteStatus[];
}

// --- money

/** What a request would cost. `held` is the most that it can cost. */
export interface Estimate {
  readonly tasks: number;
  readonly characters: number;
  readonly held: Amount;
  readonly available: Amount;
  readonly unit: Unit;
  readonly isSufficient: boolean;
}

/** An owner's balance in one unit; `user` is null for a tenant's own. `available` is what is not held. */
export interface Wallet {
  readonly id: string;
  readonly tenant: string;
  readonly user: string | null;
  readonly unit: Unit;
  readonly balance: Amount;
  readonly held: Amount;
  readonly available: Amount;
  readonly debt: Amount;
  readonly totalPurchased: Amount;
  readonly totalSpent: Amount;
  readonly totalRefunded: Amount;
  readonly entries: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** One line of a wallet's ledger; numbers are dense from 1. */
export interface Entry {
  readonly number: number;
  readonly kind: EntryKind;
  readonly amount: Amount;
  readonly balanceAfter: Amount;
  readonly debtChange: Amount;
  readonly debtAfter: Amount;
  readonly unit: Unit;
  readonly route: string | null;
  readonly task: string | null;
  readonly reference: string | null;
  readonly at: Date;
}

/**
 * What was moved, and the balance after it; at a replay the balance then, not now. `amount` is by how much the balance
 * changed before any debt was paid. Where a correction wanted to take more than was available, the rest is in
 * `becameDebt`; what of a credit went to pay debt is `paidDebt`.
 */
export interface Credited {
  readonly amount: Amount;
  readonly becameDebt: Amount;
  readonly paidDebt: Amount;
  readonly balanceAfter: Amount;
}

// --- jobs

/** One request's tasks, money and state. */
export interface Job {
  readonly id: string;
  readonly tenant: string;
  readonly user: string;
  readonly operation: Operation;
  readonly service: string;
  readonly model: string | null;
  readonly state: JobState;
  readonly isFinal: boolean;
  readonly unit: Unit;
  readonly held: Amount;
  readonly charged: Amount;
  readonly tasks: number;
  readonly openTasks: number;
  readonly failedTasks: number;
  readonly retries: number;
  readonly deadline: Date;
  readonly createdAt: Date;
  readonly finishedAt: Date | null;
}

/** Why a task failed; it costs nothing. */
export interface TaskError {
  readonly code: 'upstream' | 'deadline_passed' | 'answer_lost' | 'no_route' | 'other';
  readonly message: string;
  readonly user: Message;
}

/** What is known of a task. `key` is the key of its last attempt, masked. */
export interface TaskReport {
  readonly id: string;
  readonly place: number;
  readonly state: TaskState;
  readonly route: string;
  readonly key: string | null;
  readonly characters: number;
  readonly attempts: number;
  readonly charged: Amount;
  readonly refunded: Amount;
  readonly possibleDouble: boolean;
  readonly error: TaskError | null;
  readonly createdAt: Date;
  readonly finishedAt: Date | null;
}

/** What is known of a job, with the wallet that pays as it is now. */
export interface JobReport {
  readonly job: Job;
  readonly tasks: readonly TaskReport[];
  readonly released: Amount;
  readonly available: Amount;
  readonly balance: Amount;
}

/** Speech, joined in order. `srt` are subtitles as SubRip; `durationMs` is the audio's own length. */
export interface SpeechResult {
  readonly kind: 'speech';
  readonly audio: Buffer;
  readonly contentType: string;
  readonly durationMs: number;
  readonly srt: string | null;
}

/** A cloned voice, for `clonedVoice` of a request. */
export interface VoiceResult {
  readonly kind: 'voice';
  readonly voice: string;
}

/** What a job or a task gave. */
export type JobResult = SpeechResult | VoiceResult;

/** A task was sent: its place from 0, on which route, with which masked key, the how manieth attempt. */
export interface TaskStarted {
  readonly kind: 'task_started';
  readonly place: number;
  readonly route: string;
  readonly key: string;
  readonly attempt: number;
}

/** An upstream told how far a task is, from 0 to 100. */
export interface TaskProgress {
  readonly kind: 'task_progress';
  readonly place: number;
  readonly percent: number;
}

/** A task waits for another try. */
export interface TaskWaits {
  readonly kind: 'task_waits';
  readonly place: number;
  readonly reason: string;
}

/** A task has its result. */
export interface TaskDone {
  readonly kind: 'task_done';
  readonly place: number;
  readonly charged: Amount;
}

/** A task failed; it costs nothing. */
export interface TaskFailed {
  readonly kind: 'task_failed';
  readonly place: number;
  readonly error: TaskError;
}

/** A task was cancelled before it was done. */
export interface TaskCancelled {
  readonly kind: 'task_cancelled';
  readonly place: number;
}

/** The job had ended, and so many failed tasks of it are tried again. */
export interface Retried {
  readonly kind: 'retried';
  readonly tasks: number;
}

/** The job ended; nothing more follows. */
export interface Ended {
  readonly kind: 'ended';
  readonly state: JobState;
  readonly charged: Amount;
}

/** So many events were missed, because they were not read fast enough; the job's report has the whole. */
export interface Missed {
  readonly kind: 'missed';
  readonly events: number;
}

/** Something that happened to a job. */
export type JobEvent =
  TaskStarted | TaskProgress | TaskWaits | TaskDone | TaskFailed | TaskCancelled | Retried | Ended | Missed;

// --- keys, voices, reports

/** An upstream key; of its secret only the mask. */
export interface Key {
  readonly id: string;
  readonly server: string;
  readonly service: string;
  readonly tenant: string;
  readonly label: string;
  readonly mask: string;
  readonly account: string | null;
  /** Its own, beside those of its account. */
  readonly limits: Limits;
  readonly switch: Switch;
  readonly status: KeyStatus;
  readonly isUsable: boolean;
  readonly reason: string | null;
  /** In the upstream's own credits. */
  readonly balance: string | null;
  readonly checkedAt: Date | null;
  readonly lastUsed: Date | null;
  readonly createdAt: Date;
}

/** An upstream account that keys share, with what they may do together. */
export interface Account {
  readonly server: string;
  readonly account: string;
  readonly limits: Limits;
  /** Calls in flight now. */
  readonly inFlight: number;
  /** Calls of the last window: starts, and polls where the upstream counts them. */
  readonly usedInWindow: number;
  /** The keys that were registered under it and not removed. */
  readonly keys: readonly Key[];
}

/** A voice that an upstream offers. */
export interface Voice {
  readonly voice: string;
  readonly name: string;
  readonly language: string | null;
  readonly gender: string | null;
  readonly previewUrl: string | null;
  readonly origin: 'library' | 'cloned';
}

/** Voices, and what to ask for next; `next` is null on the last page. */
export interface VoicePage {
  readonly voices: readonly Voice[];
  readonly next: string | null;
}

/** A voice that a user cloned; it lives on the account that made it. */
export interface ClonedVoice {
  readonly id: string;
  readonly user: string;
  readonly name: string;
  readonly server: string;
  readonly service: string;
  readonly createdAt: Date;
}

/**
 * Whether a tenant may order. One that is suspended submits, retries and purchases nothing new; what is under way goes
 * on, and everything can be read.
 */
export type TenantState = 'active' | 'suspended';

/** What an operator says of a customer organisation. `version` grows with each change. */
export interface Tenant {
  readonly id: string;
  readonly name: string;
  readonly state: TenantState;
  readonly version: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** An attempt that failed or whose answer was lost. */
export interface ErrorRecord {
  readonly attempt: string;
  readonly task: string;
  readonly job: string;
  readonly tenant: string;
  readonly user: string;
  readonly operation: Operation;
  readonly model: string | null;
  readonly route: string;
  readonly cause: RouteCause;
  readonly key: string;
  readonly lane: Lane;
  readonly keyTenant: string | null;
  readonly kind: FailureKind;
  readonly upstreamCode: string | null;
  readonly message: string;
  readonly leasedAt: Date;
  readonly endedAt: Date | null;
}

/**
 * What an ended attempt bought (`cost`, in the upstream's credits) and sold (`charged`). `overHold` is what of its
 * price was not charged because the job's hold was used up: the operator's cost. `cause` says why the task was on the
 * route, `keyTenant` whose key it was: null is the operator's.
 */
export interface UsageRecord {
  readonly attempt: string;
  readonly task: string;
  readonly job: string;
  readonly tenant: string;
  readonly user: string;
  readonly operation: Operation;
  readonly model: string | null;
  readonly route: string;
  readonly cause: RouteCause;
  readonly key: string;
  readonly lane: Lane;
  readonly keyTenant: string | null;
  readonly isDone: boolean;
  readonly cost: string | null;
  readonly charged: Amount;
  readonly overHold: Amount;
  readonly unit: Unit;
  readonly audioMs: number | null;
  readonly characters: number | null;
  readonly tookMs: number;
  readonly possibleDouble: boolean;
  readonly endedAt: Date;
}

/** How many of the last attempts a route had. */
export interface SplitShare {
  readonly server: string;
  readonly service: string;
  readonly done: number;
  readonly failed: number;
}

/** Who acts, in which role, and until when by the database's clock. */
export type Access =
  | {
      readonly actor: string;
      readonly role: 'operator' | 'operator_billing' | 'support' | 'auditor';
      readonly until?: Date | undefined;
    }
  | {
      readonly actor: string;
      readonly role: 'tenant_admin' | 'tenant_billing';
      readonly tenant: string;
      readonly until?: Date | undefined;
    }
  | {
      readonly actor: string;
      readonly role: 'member';
      readonly tenant: string;
      readonly user: string;
      readonly until?: Date | undefined;
    };

/**
 * What was done at an admin door, or who was refused at any. `tenant` is the one whose rows it concerns, null for what
 * all tenants share; `target` is what it was done to; `detail` is a JSON object as text, without secrets.
 */
export interface AuditEntry {
  readonly id: string;
  readonly tenant: string | null;
  readonly actor: string;
  readonly role: Role;
  readonly door: string;
  readonly target: string | null;
  readonly outcome: AuditOutcome;
  readonly detail: string;
  readonly at: Date;
}

/**
 * What is wrong with a row that does not agree with the others: a column is not what other rows say (`wrong`), another
 * row needs it and it is not there (`missing`), it names a row that is not there (`stray`), it cannot be read or is not
 * written as KingCong writes it (`damaged`), its secret does not open (`sealed`).
 */
export type DiscrepancyKind = 'wrong' | 'missing' | 'stray' | 'damaged' | 'sealed';

/** A row that does not agree with the others; `column` is null where the row as a whole is meant. */
export interface Discrepancy {
  readonly kind: DiscrepancyKind;
  /** The table, as the database calls it. */
  readonly table: string;
  /** The row's id, or the columns of its key with commas between them. */
  readonly row: string;
  readonly column: string | null;
  readonly found: string;
  readonly expected: string;
}

/** What verification found: `found` rows that do not agree, 0 when all is well; `discrepancies` are the first 1,000. */
export interface Verification {
  readonly wallets: number;
  readonly jobs: number;
  readonly limits: number;
  readonly found: number;
  readonly discrepancies: readonly Discrepancy[];
  readonly isSound: boolean;
}

/** What was archived, and into which file. */
export interface Archived {
  readonly attempts: number;
  readonly entries: number;
  readonly file: string | null;
}
