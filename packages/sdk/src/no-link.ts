/** Stands for `./link` where there is no Node: requests go over the platform's `fetch`. */
export const createLink = (): { readonly fetch: typeof fetch } => ({ fetch: (input, init) => fetch(input, init) })
