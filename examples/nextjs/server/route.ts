/**
 * Every door of the app goes through here: who may enter, what the body and the query must be, and how what goes wrong
 * is told. A handler gets what is checked, and returns what becomes JSON, or a response.
 */

import 'server-only';

import { KingCongError, type Doors, type KingCong } from 'kingcong';
import { unstable_rethrow } from 'next/navigation';
import type { NextRequest } from 'next/server';
import { z } from 'zod';

import type { Language } from '@/lib/words';

import { kingcong } from './kingcong';
import { language } from './language';
import { Refused, invalid, statusOf, tooLarge, type Words } from './refused';
import { signedIn } from './session';
import { settings } from './settings';
import type { User } from './users';

/** This app has one tenant. */
const TENANT = 'main';

/** Longest body of a request that is no upload. */
const BODY_BYTES_MAX = 1024 * 1024;

/** What UTF-16 can hold and no text has. */
const HALF_A_CHARACTER = /\p{Cs}/u;

/** What a handler gets. */
export interface Asked<U, B, Q, P> {
  readonly request: NextRequest;
  readonly user: U;
  readonly body: B;
  readonly query: Q;
  readonly params: P;
  readonly language: Language;
  /** The library's doors, in the role of who asks. */
  readonly kc: Doors;
  /** The library as this app itself asks it, for what it shows to everybody. */
  readonly library: KingCong;
}

interface Shape<B, Q, P> {
  readonly body?: z.ZodType<B>;
  readonly query?: z.ZodType<Q>;
  readonly params?: z.ZodType<P>;
}

type Handle<U, B, Q, P> = (asked: Asked<U, B, Q, P>) => unknown;
type Door = (request: NextRequest, context: { readonly params: Promise<unknown> }) => Promise<Response>;

/** A door for whoever is signed in, to what is the user's own. */
export function forUsers<B = undefined, Q = undefined, P = undefined>(
  shape: Shape<B, Q, P>,
  handle: Handle<User, B, Q, P>,
): Door {
  return door(shape, userOf, ownDoors, handle);
}

/** A door for administrators: the library refuses those whose role it is not for. */
export function forAdministrators<B = undefined, Q = undefined, P = undefined>(
  shape: Shape<B, Q, P>,
  handle: Handle<User, B, Q, P>,
): Door {
  return door(shape, userOf, roleDoors, handle);
}

/** A door for everybody. */
export function forAnyone<B = undefined, Q = undefined, P = undefined>(
  shape: Shape<B, Q, P>,
  handle: Handle<null, B, Q, P>,
): Door {
  const library = (kc: KingCong): Doors => kc;
  return door(shape, async () => null, library, handle);
}

function door<U, B, Q, P>(
  shape: Shape<B, Q, P>,
  enter: (request: NextRequest) => Promise<U>,
  acting: (kc: KingCong, user: U) => Doors,
  handle: Handle<U, B, Q, P>,
): Door {
  return async (request, context) => {
    const tongue = await language();
    try {
      const user = await enter(request);
      // What a shape leaves out is undefined, as its type says.
      const params = shape.params?.parse(await context.params) as P;
      const query = shape.query?.parse(Object.fromEntries(request.nextUrl.searchParams)) as Q;
      const body = shape.body?.parse(jsonOf(await bodyOf(request, BODY_BYTES_MAX))) as B;
      const library = await kingcong();
      const kc = acting(library, user);
      const answer = await handle({ request, user, body, query, params, language: tongue, kc, library });
      if (answer instanceof Response) return answer;
      if (answer === undefined) return new Response(null, { status: 204 });
      return Response.json(answer, { headers: { 'Cache-Control': 'no-store' } });
    } catch (error) {
      unstable_rethrow(error);
      return problem(error, tongue);
    }
  };
}

async function userOf(request: NextRequest): Promise<User> {
  refuseForeign(request);
  const user = await signedIn();
  if (user === null) throw new Refused(401, 'not_signed_in', { en: 'Sign in first', vi: 'Vui lòng đăng nhập' });
  return user;
}

/** The doors for what is the user's own, whatever else the user may do. */
function ownDoors(kc: KingCong, { id }: User): Doors {
  return kc.acting({ actor: id, role: 'member', tenant: TENANT, user: id });
}

/** The doors in the user's role. */
function roleDoors(kc: KingCong, user: User): Doors {
  return user.role === 'member' ? ownDoors(kc, user) : kc.acting({ actor: user.id, role: user.role });
}

/** For what this app keeps itself, such as the list of its users: the library cannot refuse that. */
export function refuseMembers(user: User): void {
  if (user.role !== 'member') return;
  throw new Refused(403, 'forbidden', { en: 'For administrators only', vi: 'Chỉ dành cho quản trị viên' });
}

/** Another site's page may make a browser send our cookie, but not without saying where it comes from. */
export function refuseForeign(request: NextRequest): void {
  if (request.method === 'GET' || request.method === 'HEAD') return;
  const origin = request.headers.get('origin') ?? '';
  const ours = [request.headers.get('host'), new URL(settings.appUrl).host];
  if (URL.canParse(origin) && ours.includes(new URL(origin).host)) return;
  throw new Refused(403, 'foreign', { en: 'Use the page of this app', vi: 'Hãy dùng trang của ứng dụng này' });
}

/** A request's body, if it is no longer than that. */
export async function bodyOf(request: Request, bytesMax: number): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  // The type of the browsers' streams, which cannot be iterated in all of them.
  for await (const part of (request.body ?? []) as unknown as AsyncIterable<Uint8Array>) {
    bytes += part.byteLength;
    if (bytes > bytesMax) throw tooLarge();
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** What a body says in JSON. */
export function jsonOf(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body), (_name, value: unknown) => {
      if (typeof value === 'string' && HALF_A_CHARACTER.test(value)) throw new TypeError('half a character');
      return value;
    });
  } catch {
    throw invalid({ en: 'The body must be JSON', vi: 'Nội dung phải là JSON' });
  }
}

/** What went wrong, for programs and for people. */
function problem(error: unknown, language: Language): Response {
  const headers = error instanceof Refused ? error.headers : {};
  const answer = (status: number, code: string, message: string, more: object = {}) =>
    Response.json({ error: { code, message, ...more } }, { status, headers });
  if (error instanceof Refused) return answer(error.status, error.code, error.words[language]);
  if (error instanceof KingCongError) {
    const status = statusOf(error);
    if (status === 500) console.error(error);
    // Only administrators change settings and keys: they read why, too.
    const isForAdministrators = error.code === 'configuration_refused' || error.code === 'key_refused';
    const words = error.userMessage(language);
    return answer(status, error.code, isForAdministrators ? `${words}: ${error.message}` : words, {
      fields: error.fields,
    });
  }
  if (error instanceof z.ZodError) {
    const fields = error.issues.map(({ path, message }) => ({ field: path.join('.'), message }));
    return answer(422, 'invalid_request', invalid().words[language], { fields });
  }
  console.error(error);
  const failed: Words = { en: 'Something went wrong. Please try again.', vi: 'Đã có lỗi xảy ra. Vui lòng thử lại.' };
  return answer(500, 'failed', failed[language]);
}
