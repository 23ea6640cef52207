/**
 * Stands for `./link` where there is no Node: requests go over the platform's `fetch`.
 *
 * @throws {TypeError} for a client certificate, which that cannot show.
 */
export function createLink(options: { readonly clientCertificate?: unknown }): { readonly fetch: typeof fetch } {
  if (options.clientCertificate !== undefined) throw new TypeError('`clientCertificate` needs Node.')
  return { fetch: (input, init) => fetch(input, init) }
}
