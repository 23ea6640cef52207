import { CANCEL, CLAIM, FINISH, NOTE } from '../idempotency/procedures.ts'
import type { Procedure } from '../store/store.ts'
import { ABANDON, DUE, RENEW } from './lease.ts'
import { RESERVE } from './reserve.ts'
import { SETTLE } from './settle.ts'

/** All that a store is asked to run. */
export const PROCEDURES: readonly Procedure[] = [RESERVE, SETTLE, RENEW, DUE, ABANDON, CLAIM, NOTE, FINISH, CANCEL]
