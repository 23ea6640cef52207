/** What one check found. */
export interface Finding {
  /** `dns`, `tcp`, `tls`, `certificate`, …; docs/deploy lists them. */
  readonly check: string
  /** What was looked at: a host, a vendor, a variable. Never a secret. */
  readonly subject: string
  readonly state: 'ok' | 'warn' | 'fail'
  readonly detail: string
  /** What to do about it. */
  readonly todo?: string
}

/** Makes findings of one check of one subject. */
export function findings(check: string, subject: string) {
  return {
    ok: (detail: string): Finding => ({ check, subject, state: 'ok', detail }),
    warn: (detail: string, todo: string): Finding => ({ check, subject, state: 'warn', detail, todo }),
    fail: (detail: string, todo: string): Finding => ({ check, subject, state: 'fail', detail, todo }),
  }
}

/** The system's code of a failed call, or its message. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return code ?? message
}
