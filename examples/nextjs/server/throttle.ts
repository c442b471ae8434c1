/**
 * How often passwords may be guessed. Whoever guesses wrong must pause, each time longer; nobody else must: an account is
 * not locked by what strangers try. Decisions only: the clock and the password are the caller's.
 *
 * Wrong guesses are counted in three ways, in this process: of an address for an account, of an address for any account,
 * and of an account from everywhere. The last holds up only addresses that have guessed wrong there themselves, so that
 * many guessers together are slowed, and the owner comes in from an address of their own.
 */

/** Wrong guesses without a pause: of an address for one account, of an address in all, of an account in all. */
const FREE = { pair: 5, address: 20, account: 50 } as const;
type Kind = keyof typeof FREE;
/** The first pause; each further one is twice as long. */
const PAUSE_MS = 15 * 1_000;
const PAUSE_MS_MAX = 5 * 60 * 1_000;
/** Guesses so long ago are forgotten. */
const REMEMBERED_MS = 60 * 60 * 1_000;
/** What is counted of each kind; the least recent is forgotten. */
const COUNTED_MAX = 10_000;

/** How long a pause is after so many wrong guesses. */
export function pauseMs(failures: number, free: number): number {
  return failures < free ? 0 : Math.min(PAUSE_MS * 2 ** (failures - free), PAUSE_MS_MAX);
}

interface Guesses {
  readonly failures: number;
  /** When the last was, in milliseconds since 1970. */
  readonly last: number;
}

const NONE: Guesses = { failures: 0, last: 0 };

/** Wrong guesses by what they are counted of, least recent first. */
class Counted {
  readonly #counted = new Map<string, Guesses>();

  of(name: string, now: number): Guesses {
    const guesses = this.#counted.get(name) ?? NONE;
    return guesses.last + REMEMBERED_MS < now ? NONE : guesses;
  }

  set(name: string, guesses: Guesses): void {
    this.#counted.delete(name);
    if (guesses.failures > 0) this.#counted.set(name, guesses);
    const [oldest] = this.#counted.keys();
    if (this.#counted.size > COUNTED_MAX && oldest !== undefined) this.#counted.delete(oldest);
  }
}

export class Throttle {
  readonly #counted: Readonly<Record<Kind, Counted>> = {
    pair: new Counted(),
    address: new Counted(),
    account: new Counted(),
  };

  /**
   * How long this address must wait before it may guess this account's password; 0 lets it, and counts a wrong guess at
   * once, so that guesses which come together count too. Say `right` when it was none.
   */
  waitMs(address: string, account: string, now: number): number {
    const names = namesOf(address, account);
    const guessed = this.#counted.pair.of(names.pair, now).failures > 0;
    const waits = (['pair', 'address', 'account'] as const).map((kind) => {
      if (kind === 'account' && !guessed) return 0;
      const { failures, last } = this.#counted[kind].of(names[kind], now);
      return Math.max(last + pauseMs(failures, FREE[kind]) - now, 0);
    });
    const wait = Math.max(...waits);
    if (wait === 0) this.#add(names, 1, now);
    return wait;
  }

  /** The password was right: the guess that was counted for it was none, and this address knows the account. */
  right(address: string, account: string, now: number): void {
    const names = namesOf(address, account);
    this.#add(names, -1, now);
    this.#counted.pair.set(names.pair, NONE);
  }

  #add(names: Readonly<Record<Kind, string>>, change: 1 | -1, now: number): void {
    for (const kind of ['pair', 'address', 'account'] as const) {
      const { failures, last } = this.#counted[kind].of(names[kind], now);
      const counted = Math.max(failures + change, 0);
      this.#counted[kind].set(names[kind], { failures: counted, last: change === 1 ? now : last });
    }
  }
}

function namesOf(address: string, account: string): Readonly<Record<Kind, string>> {
  return { pair: JSON.stringify([address, account]), address, account };
}
