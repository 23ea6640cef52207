import { type Target, vendorAsk } from './target.ts'

/** The base of everything that is "added". */
export const direct: Target = {
  name: 'direct',
  about: 'nothing between: the load asks the mock vendor',
  swapsKey: false,
  prepare: () => undefined,
  ask: (order) => vendorAsk(order),
}
