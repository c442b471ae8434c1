/**
 * The examples of the documents: all are compiled as strictly as can be, and those on `memory:` are run, with what
 * their comments say that they print. The one of the README runs against simulated upstreams.
 */

import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

import { KingCong } from 'kingcong';
import ts from 'typescript';
import { expect, onTestFinished, test } from 'vitest';

import { folder } from './upstream';

const ROOT = path.join(__dirname, '..');
const PACKAGE = process.env['KINGCONG_PACKAGE'] ?? ROOT;

interface Example {
  readonly name: string;
  readonly code: string;
}

/** The examples of a file, with the lines that they begin on. */
function examplesOf(file: string): Example[] {
  const text = readFileSync(path.join(ROOT, file), 'utf8');
  const blocks = text.matchAll(/^( *(?:\* )?)```ts\n([\s\S]*?)^\1```$/gm);
  return [...blocks].map(([, margin = '', code = ''], _at, _all) => {
    const line = text.slice(0, text.indexOf(code)).split('\n').length;
    const bare = code
      .split('\n')
      .map((row) => (row.startsWith(margin) ? row.slice(margin.length) : row.replace(/^ *\*$/, '')));
    return { name: `${path.basename(file)}:${line}`, code: bare.join('\n') };
  });
}

const SOURCES = readdirSync(path.join(ROOT, 'src-ts')).map((file) => path.join('src-ts', file));
const EXAMPLES = [...SOURCES, 'README.md', ...documents()].flatMap(examplesOf);

/** The guide lies in the repository, and not in the package. */
function documents(): string[] {
  return [path.join('..', 'docs', 'node.md')];
}

/** A project that has the package installed. */
function project(): string {
  const made = folder();
  mkdirSync(path.join(made, 'node_modules', '@types'), { recursive: true });
  symlinkSync(PACKAGE, path.join(made, 'node_modules', 'kingcong'));
  symlinkSync(path.join(ROOT, 'node_modules', '@types', 'node'), path.join(made, 'node_modules', '@types', 'node'));
  return made;
}

/** Compiles the examples, and gives the programs that they became. */
function compile(into: string): Map<Example, string> {
  const files = new Map(
    EXAMPLES.map((example) => [example, path.join(into, `${example.name.replace(/\W/g, '-')}.mts`)]),
  );
  for (const [{ code }, file] of files) writeFileSync(file, code);
  const program = ts.createProgram([...files.values()], {
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
    module: ts.ModuleKind.Node16,
    moduleResolution: ts.ModuleResolutionKind.Node16,
    types: ['node'],
    typeRoots: [path.join(into, 'node_modules', '@types')],
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    outDir: path.join(into, 'out'),
    rootDir: into,
  });
  const told = [...ts.getPreEmitDiagnostics(program), ...program.emit().diagnostics];
  const host = {
    getCanonicalFileName: (name: string) => name,
    getCurrentDirectory: () => into,
    getNewLine: () => '\n',
  };
  expect(ts.formatDiagnostics(told, host)).toBe('');
  const built = (file: string): string => path.join(into, 'out', path.basename(file).replace('.mts', '.mjs'));
  return new Map([...files].map(([example, file]) => [example, built(file)]));
}

test('the examples compile strictly, and print what they say', async () => {
  expect(EXAMPLES.length).toBeGreaterThan(15);
  const into = project();
  for (const [{ name, code }, file] of compile(into)) {
    if (name.startsWith('README') || !code.includes('memory:')) continue;
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [file], { cwd: into, timeout: 150_000 });
    expect({ name, stderr }).toEqual({ name, stderr: '' });
    const says = [...code.matchAll(/console\.log\(.*?\); \/\/ (.*)$/gm)].map(([, said]) => said);
    expect({ name, prints: stdout.trim() }).toEqual({ name, prints: says.join('\n') });
  }
});

interface Simulated {
  readonly url: string;
  readonly keys: readonly string[];
}

/** Serves the simulated upstreams until the test has finished. */
async function upstreams(): Promise<Record<'ai33' | 'ai84', Simulated>> {
  const program = process.env['KINGCONG_UPSTREAMS'];
  if (program === undefined) {
    throw new Error(
      'KINGCONG_UPSTREAMS must name the program `upstreams`: `cargo xtask node` builds it and says where',
    );
  }
  const served: ChildProcess = spawn(program, ['--latency-ms', '20', '--audio-ms', '500'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void served.kill('SIGINT'));
  if (served.stdout === null) throw new Error('its output is piped');
  for await (const line of createInterface(served.stdout))
    return JSON.parse(line) as Record<'ai33' | 'ai84', Simulated>;
  throw new Error(`${program} said nothing`);
}

test('the lines of the README do the main job', async () => {
  const simulated = await upstreams();
  const into = project();
  const options = { preset: 'kingcong', masterKey: { file: path.join(into, 'master.key') } } as const;
  const kc = await KingCong.open(`sqlite://${into}/kingcong.db`, options);
  for (const { id } of (await kc.config.get()).servers) {
    await kc.config.updateServer(id, { baseUrl: simulated[id as 'ai33' | 'ai84'].url });
  }
  await kc.config.setWeights({ ai33: 1, ai84: 0 });
  await kc.close();

  const [readme] = [...compile(into)].filter(([{ name }]) => name.startsWith('README'));
  if (readme === undefined) throw new Error('the README has an example');
  const key = simulated.ai33.keys[0] ?? '';
  writeFileSync(readme[1], readFileSync(readme[1], 'utf8').replace('your-upstream-key', key));
  const { stdout } = await promisify(execFile)(process.execPath, [readme[1]], { cwd: into, timeout: 150_000 });
  expect(stdout.trim()).toBe('completed 9 speech');
});
