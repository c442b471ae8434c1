/** Parts of a whole in percent, to one digit after the point. */

export interface Share {
  readonly server: string;
  readonly percent: number;
}

/** Of nothing it is 0. */
export function percentOf(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.round((1000 * part) / whole) / 10;
}

/** Each server's share by these weights; none when no server has a weight. */
export function sharesOf(weights: Readonly<Record<string, number>>): Share[] {
  const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0);
  if (!(total > 0)) return [];
  return Object.entries(weights).map(([server, weight]) => ({ server, percent: percentOf(weight, total) }));
}
