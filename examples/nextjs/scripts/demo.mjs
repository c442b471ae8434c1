/**
 * Starts the app for trying it out: on SQLite, with users, upstreams and a payment gateway that are played. It needs no
 * account. `cargo xtask app` builds what it needs and calls it.
 *
 * KINGCONG_UPSTREAMS names the program that plays the upstreams; `--dev` starts `next dev`.
 */

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';

import { seed } from './seed.mjs';
import { hashed } from '../server/passwords.mjs';

const DATA = path.join(import.meta.dirname, '..', 'data');
const USERS = [
  { id: 'lan', name: 'Lan', role: 'member' },
  { id: 'minh', name: 'Minh', role: 'member' },
  { id: 'admin', name: 'Quản trị viên', role: 'operator' },
];
const PORT = process.env['PORT'] ?? '3000';

/**
 * A secret that is made once.
 *
 * @param {string} name
 */
function secret(name) {
  const file = path.join(DATA, name);
  if (!existsSync(file)) writeFileSync(file, randomBytes(32).toString('base64'), { mode: 0o600 });
  return readFileSync(file, 'utf8');
}

const program = process.env['KINGCONG_UPSTREAMS'];
if (program === undefined) throw new Error('start it with `cargo xtask app`, which builds the upstreams too');

mkdirSync(DATA, { recursive: true });
const upstreams = spawn(program, ['--keys', '6', '--latency-ms', '3000'], { stdio: ['ignore', 'pipe', 'inherit'] });
// They do not outlive us, however we end.
process.once('exit', () => upstreams.kill('SIGINT'));
// They tell where they are in their first line.
const [line] = await once(createInterface(upstreams.stdout), 'line');

const usersFile = path.join(DATA, 'users.json');
if (!existsSync(usersFile)) {
  const users = await Promise.all(USERS.map(async (user) => ({ ...user, password: await hashed(`${user.id}-demo`) })));
  writeFileSync(usersFile, JSON.stringify(users, null, 2));
}
const environment = {
  ...process.env,
  DATABASE_URL: `sqlite://${path.join(DATA, 'kingcong.db')}`,
  KINGCONG_MASTER_KEY: secret('master.key'),
  MODE: 'both',
  APP_URL: `http://127.0.0.1:${PORT}`,
  SESSIONS_FOLDER: path.join(DATA, 'sessions'),
  PAYMENT_SECRET: secret('payment.secret'),
  USERS_FILE: usersFile,
  PAYMENT_GATEWAY: 'test',
  NEXT_MANUAL_SIG_HANDLE: 'true',
  NEXT_TELEMETRY_DISABLED: '1',
  PORT,
};
await seed(environment.DATABASE_URL, environment.KINGCONG_MASTER_KEY, JSON.parse(line));

const next = path.join(import.meta.dirname, '..', 'node_modules', 'next', 'dist', 'bin', 'next');
const command = process.argv.includes('--dev') ? 'dev' : 'start';
// Longer than clients and proxies keep an idle connection: one that ends it first resets their next request.
const idle = command === 'start' ? ['--keepAliveTimeout', '75000'] : [];
const app = spawn(process.execPath, [next, command, ...idle, '--hostname', '127.0.0.1'], {
  cwd: path.join(import.meta.dirname, '..'),
  env: environment,
  stdio: 'inherit',
});
console.log(`\nhttp://127.0.0.1:${PORT}  Sign in as one of:`);
for (const { id, role } of USERS) console.log(`  ${id.padEnd(6)} password ${id}-demo  (${role})`);
console.log();

// Ctrl-C reaches all of us; who asks this process alone means the others too.
for (const signal of /** @type {const} */ (['SIGTERM', 'SIGINT'])) process.on(signal, () => app.kill(signal));
app.once('exit', (code) => {
  process.exit(code ?? 1);
});
