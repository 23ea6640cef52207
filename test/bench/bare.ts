import { CallAccount } from '../../packages/bff/src/limits/account.ts'
import { type Admission, Limits } from '../../packages/bff/src/limits/limits.ts'
import { NOTHING_MEASURED } from '../../packages/bff/src/limits/meter.ts'

// Loaded before a BFF, takes limits and ledger out of it: what they cost is the difference.
const LET_IN: Admission = {
  allowances: [],
  reservation: undefined,
  admitVendor: async () => {},
  charge: () => {},
  handOver: () => {},
  settle: () => {},
  release: () => {},
}
Limits.prototype.admit = async () => LET_IN
CallAccount.prototype.close = async () => NOTHING_MEASURED
