/**
 * What doors are asked at.
 *
 * @module
 */

import type { Waiting } from './types';
import { optionsOf, type Fields, type Json } from './wire';

/** @internal Whoever can be knocked at. */
export interface Client {
  knock<T>(door: string, given: Json, how: How): Promise<T>;
}

/** @internal How a door is knocked at. */
export interface How {
  readonly signal?: AbortSignal | undefined;
  readonly attachment?: Buffer | undefined;
}

const NOTHING: Fields = {};

/** Whoever has doors. */
export abstract class Asker {
  /** @internal */
  protected abstract knock<T>(door: string, given: Json, signal: AbortSignal | undefined): Promise<T>;

  /**
   * @internal A door that takes these arguments, and of the options the signal and these fields; `within` is the field
   * that they are sent in, where there is one.
   */
  protected ask<T>(
    door: string,
    placed: { readonly [name: string]: Json },
    options: Waiting | undefined,
    fields: Fields = NOTHING,
    within?: string,
  ): Promise<T> {
    const [named, signal] = optionsOf(fields, options);
    const given = within === undefined ? named : { [within]: named };
    return this.knock(door, { ...given, ...placed }, signal);
  }
}

/** Doors that belong together. */
export abstract class Group extends Asker {
  readonly #client: Client;

  /** @internal */
  constructor(client: Client) {
    super();
    this.#client = client;
  }

  /** @internal */
  protected override knock<T>(door: string, given: Json, signal: AbortSignal | undefined): Promise<T> {
    return this.#client.knock(door, given, { signal });
  }
}
