/**
 * Where a request comes from. A handler of Next.js does not see the connection, and anybody may write `X-Forwarded-For`:
 * so the address is read off the connection when a request begins, in a header whose name nobody else can know.
 */

import { randomBytes } from 'node:crypto';
import { subscribe } from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';
import { isIPv6 } from 'node:net';

/** Kept on the process, which may load this module more than once. */
const HEADER = Symbol.for('kingcong.example.address');
const kept = globalThis as unknown as Record<symbol, string | undefined>;
const ADDRESS_HEADER = (kept[HEADER] ??= `x-client-address-${randomBytes(16).toString('hex')}`);
/** What IPv4 addresses begin with on a socket of both kinds. */
const MAPPED = '::ffff:';
/** A network of one subscriber: the first half of an IPv6 address. */
const SUBSCRIBER_GROUPS = 4;
const GROUPS = 8;

/** From now on every request of this process is marked with where it comes from, behind that many proxies of ours. */
export function markAddresses(proxies: number): void {
  subscribe('http.server.request.start', (message) => {
    const { request } = message as { readonly request: IncomingMessage };
    const forwarded = [request.headers['x-forwarded-for'] ?? []].flat().join(',');
    request.headers[ADDRESS_HEADER] = clientOf(forwarded, request.socket.remoteAddress ?? '', proxies);
  });
}

/** Where a request comes from; those that came before `markAddresses` are taken for one. */
export function addressOf(request: Request): string {
  return request.headers.get(ADDRESS_HEADER) ?? '';
}

/**
 * Who asked: each proxy adds whom it was asked by at the end of what was forwarded, so that many are ours and what stands
 * before them is anybody's word. An IPv6 client is told by its network, which has more addresses than could be counted.
 */
export function clientOf(forwarded: string, peer: string, proxies: number): string {
  const told = forwarded.split(',').map((address) => address.trim());
  const address = proxies === 0 ? peer : (told.filter((address) => address !== '').at(-proxies) ?? peer);
  const plain = address.toLowerCase().startsWith(MAPPED) ? address.slice(MAPPED.length) : address;
  return isIPv6(plain) ? networkOf(plain) : plain;
}

function networkOf(address: string): string {
  const [head = '', tail = ''] = address.split('%')[0]?.split('::') ?? [];
  const groups = (text: string) => text.split(':').filter((group) => group !== '');
  const [first, last] = [groups(head), groups(tail)];
  const zeros = Array<string>(Math.max(GROUPS - first.length - last.length, 0)).fill('0');
  const network = [...first, ...zeros, ...last].slice(0, SUBSCRIBER_GROUPS);
  return `${network.map((group) => parseInt(group, 16).toString(16)).join(':')}::`;
}
