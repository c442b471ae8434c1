/**
 * Resell AI work from several upstream gateways, inside your own backend and on your own database.
 *
 * Start with {@link KingCong.open}; what goes wrong is a {@link KingCongError}; providers of your own are in
 * `kingcong/providers`.
 *
 * @module
 */

export type * from './answers';
export type * from './asked';
export { KingCong, type Doors, type MasterKeySource, type OpenOptions } from './client';
export type { Accounts, Config, Keys, Packages, Prices, Reports, Tenants, Voices, Wallets } from './doors';
export { KingCongError, type ErrorCode, type ErrorField, type Language } from './errors';
export type { MasterKey } from './host';
export type { JobAudio, JobEvents, JobHandle } from './job';
export type { Log, LogEvent, LogLevel } from './log';
export type { Provider } from './providers';
export type * from './types';
