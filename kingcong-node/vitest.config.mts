import path from 'node:path';

import { defineConfig } from 'vitest/config';

/** The package that is tested: this folder, or an installed one. */
const kingcong = process.env['KINGCONG_PACKAGE'] ?? import.meta.dirname;

export default defineConfig({
  resolve: {
    alias: [
      { find: 'kingcong/providers', replacement: path.join(kingcong, 'esm', 'providers.mjs') },
      { find: /^kingcong$/, replacement: path.join(kingcong, 'esm', 'index.mjs') },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    // As Node loads it, and not as Vite would.
    server: { deps: { external: [/\/(esm|dist)\//] } },
    // What takes so long hangs, also beside other work on all cores.
    testTimeout: 180_000,
  },
});
