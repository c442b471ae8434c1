import type { NextConfig } from 'next';

/** Pages load nothing from elsewhere, and nobody else's page may show ours in a frame. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  // Next.js writes its data into the page as scripts; `next dev` compiles in the browser.
  `script-src 'self' 'unsafe-inline'${process.env.NODE_ENV === 'development' ? " 'unsafe-eval'" : ''}`,
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "media-src 'self' blob:",
  "frame-ancestors 'none'",
  "form-action 'self'",
  "base-uri 'none'",
  "object-src 'none'",
].join('; ');

const config: NextConfig = {
  // The package brings native code, which a bundler must leave alone.
  serverExternalPackages: ['kingcong'],
  turbopack: { root: import.meta.dirname },
  poweredByHeader: false,
  devIndicators: false,
  async headers() {
    const headers = {
      'Content-Security-Policy': CONTENT_SECURITY_POLICY,
      'X-Content-Type-Options': 'nosniff',
      'Referrer-Policy': 'same-origin',
      'Permissions-Policy': 'camera=(), geolocation=(), microphone=(self)',
    };
    return [{ source: '/:path*', headers: Object.entries(headers).map(([key, value]) => ({ key, value })) }];
  },
};

export default config;
