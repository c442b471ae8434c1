import { defineConfig } from '@playwright/test';

import tests from '../playwright.config';

export default defineConfig({
  ...tests,
  testDir: '.',
  testMatch: 'first.ts',
  outputDir: '../test-output',
  workers: 1,
  timeout: 300_000,
  reporter: 'line',
  // What is watched is slower.
  use: { ...tests.use, screenshot: 'off', trace: 'off' },
});
