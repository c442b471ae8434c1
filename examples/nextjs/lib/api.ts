/** How the pages ask the app's doors. */

/** What a door refused, in the words that the user may read. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

interface Refusal {
  readonly error: { readonly code: string; readonly message: string };
}

function isRefusal(answer: unknown): answer is Refusal {
  return typeof answer === 'object' && answer !== null && 'error' in answer;
}

/** Asks a door; who is not signed in (any more) comes to sign in. */
export async function ask<T>(path: string, options: { method?: string; body?: unknown } = {}): Promise<T> {
  const { method = 'GET', body } = options;
  const init: RequestInit = { method };
  if (body instanceof FormData) init.body = body;
  else if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { 'Content-Type': 'application/json' };
  }
  const response = await fetch(path, init);
  if (response.status === 204) return undefined as T;
  const answer: unknown = await response.json().catch(() => null);
  if (response.ok) return answer as T;
  if (response.status === 401 && window.location.pathname !== '/sign-in') window.location.assign('/sign-in');
  if (isRefusal(answer)) throw new ApiError(response.status, answer.error.code, answer.error.message);
  throw new ApiError(response.status, 'failed', `${response.status} ${response.statusText}`);
}
