/**
 * Who may sign in. The file stands for your user table: put your own behind `Users`, and nothing else changes.
 *
 * The file is a JSON list of `{ "id", "name", "role", "password": "scrypt$SALT$HASH" }`; `node scripts/password.mjs`
 * makes the last. The role is the library's: it decides what the user may do there.
 */

import { readFile } from 'node:fs/promises';

import { z } from 'zod';

import { STORED, isPassword } from './passwords.mjs';
import { settings } from './settings';

/** What a user of this app may be to the library; it has one tenant. */
const ROLES = ['member', 'support', 'auditor', 'operator_billing', 'operator'] as const;
export type UserRole = (typeof ROLES)[number];

export interface User {
  /** The wallet's owner in the library. */
  readonly id: string;
  readonly name: string;
  readonly role: UserRole;
}

export interface Users {
  /** Null for a user that there is not, or no more. */
  find(id: string): Promise<User | null>;
  /** The user, if that is the password. */
  check(id: string, password: string): Promise<User | null>;
  list(): Promise<User[]>;
}

const Listed = z.array(
  z.object({
    id: z.string().min(1).max(64),
    name: z.string().min(1).max(200),
    role: z.enum(ROLES),
    password: z.string().regex(STORED),
  }),
);
type Listed = z.infer<typeof Listed>;

/** What an unknown name is checked against, so that it takes as long as a wrong password. */
const NOBODY = `scrypt$${'00'.repeat(16)}$${'00'.repeat(32)}`;

class FileUsers implements Users {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  async find(id: string): Promise<User | null> {
    return (await this.list()).find((user) => user.id === id) ?? null;
  }

  async check(id: string, password: string): Promise<User | null> {
    const user = (await this.#read()).find((user) => user.id === id);
    const isRight = await isPassword(password, user?.password ?? NOBODY);
    return user !== undefined && isRight ? { id: user.id, name: user.name, role: user.role } : null;
  }

  async list(): Promise<User[]> {
    return (await this.#read()).map(({ id, name, role }) => ({ id, name, role }));
  }

  async #read(): Promise<Listed> {
    return Listed.parse(JSON.parse(await readFile(this.#file, 'utf8')));
  }
}

export function users(): Users {
  return new FileUsers(settings.usersFile);
}
