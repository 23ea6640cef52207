/** What a caller shows of itself in TLS (mTLS). */
export interface ClientCertificate {
  /** The certificate, PEM; those that lead to the authority behind it, if there are any. */
  readonly cert: string
  /** Its key, PEM, not encrypted. */
  readonly key: string
}

/** A certificate; or a function that gives the current one, called for every new connection. */
export type ClientCertificateSource = ClientCertificate | (() => ClientCertificate)
