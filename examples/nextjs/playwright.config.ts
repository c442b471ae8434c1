import { defineConfig } from '@playwright/test';

/** Debian's; playwright's own browsers need its servers. */
const CHROMIUM = '/usr/bin/chromium';

export default defineConfig({
  testDir: 'tests',
  outputDir: 'test-output',
  // Each test has an app, a browser and upstreams of its own; two at once is what two cores bear.
  workers: 2,
  fullyParallel: true,
  // What takes so long hangs, also beside other work on all cores.
  timeout: 180_000,
  expect: { timeout: 45_000 },
  forbidOnly: true,
  reporter: 'list',
  use: {
    locale: 'vi-VN',
    screenshot: 'only-on-failure',
    trace: 'retain-on-failure',
    launchOptions: {
      executablePath: process.env['CHROMIUM'] ?? CHROMIUM,
      args: [
        ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
        // Who looks for updates and the like only disturbs, and more so without a network.
        ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
        // A microphone that beeps, and nobody who must be asked for it.
        ...['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'],
      ],
    },
  },
});
