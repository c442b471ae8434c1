/**
 * What the app is told by its environment. Each is read when it is first needed, so that a build needs none.
 */

function required(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === '') throw new Error(`set ${name}: README.md says what it is for`);
  return value;
}

export const settings = {
  /** Where wallets, jobs and keys are. */
  get databaseUrl(): string {
    return process.env['DATABASE_URL'] ?? 'sqlite://data/kingcong.db';
  },
  /** Whether this process works too, or leaves that to others (`client`): to workers, say. */
  get mode(): 'both' | 'client' {
    return process.env['MODE'] === 'client' ? 'client' : 'both';
  },
  /** A JSON file of the users; see `users.ts`. */
  get usersFile(): string {
    return required('USERS_FILE');
  },
  /** A folder for who is signed in; see `sessions.ts`. */
  get sessionsFolder(): string {
    return required('SESSIONS_FOLDER');
  },
  /** How many proxies of yours stand before the app; see `address.ts`. */
  get proxies(): number {
    const proxies = Number(process.env['PROXIES'] ?? '0');
    if (Number.isInteger(proxies) && proxies >= 0) return proxies;
    throw new Error(
      `PROXIES must be how many proxies stand before the app, such as 1, and is ${process.env['PROXIES']}`,
    );
  },
  /** Shared with the payment gateway. */
  get paymentSecret(): string {
    return required('PAYMENT_SECRET');
  },
  /** Where the payment gateway reaches this app. */
  get appUrl(): string {
    return process.env['APP_URL'] ?? `http://127.0.0.1:${process.env['PORT'] ?? '3000'}`;
  },
  /** Whether the app plays the payment gateway too, for trying it out. */
  get playsGateway(): boolean {
    return process.env['PAYMENT_GATEWAY'] === 'test';
  },
};
