/** What becomes of a record on its way to the browser: instants are texts. */
export type Wire<T> = T extends Date
  ? string
  : T extends string | number | boolean | null
    ? T
    : T extends readonly (infer E)[]
      ? readonly Wire<E>[]
      : { readonly [K in keyof T]: Wire<T[K]> };
