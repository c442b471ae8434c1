/**
 * Who is signed in. The folder stands for your session table: put your own behind `Sessions`, and nothing else changes.
 *
 * A session is a file in its user's folder, named by the hash of its token: who reads the folder signs in as nobody. All
 * processes of the app share it, and a session ends when its file is gone.
 */

import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { z } from 'zod';

import { settings } from './settings';

export const SESSION_SECONDS = 7 * 24 * 60 * 60;
/** Sessions that a user may have at once; the oldest end. */
const SESSIONS_MAX = 20;
const TOKEN_BYTES = 32;
const TOKEN = /^([0-9a-f]{64})\.([0-9a-f]{64})$/;

export interface Sessions {
  /** A new session: the token that only the browser keeps. */
  begin(user: string): Promise<string>;
  /** Whose session it is; null when it has ended, or never began. */
  find(token: string): Promise<string | null>;
  /** Ends a session, wherever its token has been copied to. */
  end(token: string): Promise<void>;
}

const Kept = z.object({ user: z.string(), expires: z.number() });

const hash = (text: string) => createHash('sha256').update(text).digest('hex');

class FolderSessions implements Sessions {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async begin(user: string): Promise<string> {
    const folder = path.join(this.#folder, hash(user));
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await this.#makeRoom(folder);
    const secret = randomBytes(TOKEN_BYTES).toString('hex');
    const kept: z.infer<typeof Kept> = { user, expires: Date.now() + SESSION_SECONDS * 1000 };
    await writeFile(path.join(folder, hash(secret)), JSON.stringify(kept), { mode: 0o600, flag: 'wx' });
    return `${hash(user)}.${secret}`;
  }

  async find(token: string): Promise<string | null> {
    const file = this.#fileOf(token);
    const text = file === null ? null : await readFile(file, 'utf8').catch(unlessMissing);
    if (text === null) return null;
    const { user, expires } = Kept.parse(JSON.parse(text));
    return expires < Date.now() ? null : user;
  }

  async end(token: string): Promise<void> {
    const file = this.#fileOf(token);
    if (file !== null) await rm(file, { force: true });
  }

  #fileOf(token: string): string | null {
    const [, user, secret] = TOKEN.exec(token) ?? [];
    return user === undefined || secret === undefined ? null : path.join(this.#folder, user, hash(secret));
  }

  /** Ends the oldest sessions of a user who has as many as one may. Those that expired are the oldest of all. */
  async #makeRoom(folder: string): Promise<void> {
    const files = (await readdir(folder)).map((name) => path.join(folder, name));
    if (files.length < SESSIONS_MAX) return;
    const begun = await Promise.all(
      files.map(async (file) => ({ file, at: (await stat(file).catch(unlessMissing))?.mtimeMs ?? 0 })),
    );
    const oldest = begun.sort((one, other) => one.at - other.at).slice(0, files.length - SESSIONS_MAX + 1);
    await Promise.all(oldest.map(({ file }) => rm(file, { force: true })));
  }
}

/** Another process ended it meanwhile. */
function unlessMissing(error: NodeJS.ErrnoException): null {
  if (error.code !== 'ENOENT') throw error;
  return null;
}

export function sessions(): Sessions {
  return new FolderSessions(settings.sessionsFolder);
}
