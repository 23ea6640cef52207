import type { AddressSet, Logger } from '@llm-ferry/kit'
import type { Context } from '../../context.ts'
import type { Changed } from '../../keys/admin.ts'
import { addressOf } from '../../middleware/auth.ts'

/** Writes down that a change was made, by whom, and which fields it was about; never what is in them. */
export type Audit = (context: Context, action: string, changed: Pick<Changed, 'record' | 'fields'>) => void

/** An audit line is written whatever LOG_LEVEL says, `silent` excepted. */
export function createAudit(log: Logger, trustedProxies: AddressSet): Audit {
  const lines = log.child({}, { level: log.level === 'silent' ? 'silent' : 'info' })
  return (context, action, { record, fields }) => {
    const { requestId, actor } = context.state
    const address = addressOf(context, trustedProxies)
    lines.info({ requestId, actor, action, keyId: record.id, keyName: record.name, fields, address }, 'audit')
  }
}
