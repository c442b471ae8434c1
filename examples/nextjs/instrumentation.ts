/**
 * What Next.js runs once when the server starts: the library is opened before the first request, so that a wrong
 * setting is told at once.
 */
export async function register(): Promise<void> {
  if (process.env['NEXT_RUNTIME'] === 'nodejs') {
    const { begin } = await import('@/server/process');
    await begin();
  }
}
