import type { Warning } from '@llm-ferry/kit'
import type { InspectedValues } from '../config.ts'
import { type FileConfig, splitModelId } from '../config-file.ts'
import { createPrices } from '../ledger/prices.ts'

/** What the configuration file says that does what was hardly meant. */
export function fileWarnings(file: FileConfig, values: InspectedValues): readonly Warning[] {
  return [...aliases(file), ...prices(file), ...keys(file), ...timeouts(file, values)]
}

function aliases({ aliases, vendors }: FileConfig): readonly Warning[] {
  const isVendor = new Set(vendors.map(({ name }) => name))
  return [...aliases].flatMap(([name, { targets }]) => {
    const ids = targets.map(({ id }) => id)
    const twice = ids.filter((id, index) => ids.indexOf(id) !== index)
    const { vendor } = splitModelId(name)
    return [
      ...twice.map((id) => ({
        text: `aliases.${name} has ${id} twice: a fallback to what has just failed`,
        todo: 'remove one of them',
      })),
      ...(isVendor.has(vendor)
        ? [
            {
              text: `aliases.${name} takes the place of the model of that name`,
              todo: 'give it a name without a vendor, if that is not meant',
            },
          ]
        : []),
    ]
  })
}

function prices(file: FileConfig): readonly Warning[] {
  const known = new Set(file.vendors.map(({ name }) => name))
  const odd = [...file.prices].flatMap(([id, { input, cachedInput = input, cacheWrite = input, output }]) => [
    ...(known.has(splitModelId(id).vendor)
      ? []
      : [{ text: `prices.${id} is of a vendor that is not under vendors`, todo: 'correct the name, or remove it' }]),
    ...(cachedInput > input
      ? [
          {
            text: `prices.${id}: cachedInput is more than input`,
            todo: 'prices are US dollars a million tokens; exchange them, if that is not meant',
          },
        ]
      : []),
    ...(Math.max(input, output, cacheWrite) > 1000
      ? [
          {
            text: `prices.${id} is above 1000 dollars a million tokens`,
            todo: 'prices are US dollars a million tokens, not cents and not a thousand',
          },
        ]
      : []),
  ])
  return [...odd, ...unpriced(file)]
}

/** A key with a money limit is refused a model whose price is not known. */
function unpriced(file: FileConfig): readonly Warning[] {
  const limited = [...file.keys].filter(([, { limits }]) => limitsMoney(limits)).map(([name]) => `keys.${name}`)
  const who = limitsMoney(file.limits) ? ['limits', ...limited] : limited
  if (who.length === 0) return []
  const priceOf = createPrices(file.prices)
  const ids = new Set([
    ...file.models.keys(),
    ...[...file.aliases.values()].flatMap(({ targets }) => targets.map(({ id }) => id)),
  ])
  const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 }
  return [...ids]
    .filter((id) => {
      const { vendor, model } = splitModelId(id)
      return priceOf(vendor, model, usage) === undefined
    })
    .map((id) => ({
      text: `the price of ${id} is not known, and ${who.join(', ')} limits money: such calls are refused`,
      todo: `add prices.${id}`,
    }))
}

const limitsMoney = ({ usdPerDay, usdPerMonth }: FileConfig['limits']): boolean =>
  usdPerDay !== undefined || usdPerMonth !== undefined

function keys({ keys }: FileConfig): readonly Warning[] {
  return [...keys].flatMap(([name, { expiresAt, limits, disabled }]) => {
    const found: Warning[] = []
    if (expiresAt !== undefined && Date.parse(expiresAt) <= Date.now() && !disabled)
      found.push({ text: `keys.${name} has expired (${expiresAt})`, todo: 'remove the key, or give it a later time' })
    for (const [field, text] of Object.entries({ requestsPerMinute: 'minute', requestsPerDay: 'day' })) {
      const whole = `key${field[0]?.toUpperCase()}${field.slice(1)}` as 'keyRequestsPerMinute' | 'keyRequestsPerDay'
      const [user, all] = [limits[field as 'requestsPerMinute' | 'requestsPerDay'], limits[whole]]
      if (user !== undefined && all !== undefined && user > all)
        found.push({
          text: `keys.${name}.limits lets one end user make ${user} requests a ${text}, and the whole key ${all}`,
          todo: `raise ${whole} or lower ${field}`,
        })
    }
    return found
  })
}

function timeouts({ models }: FileConfig, { MAX_REQUEST_TIMEOUT_MS: longest }: InspectedValues): readonly Warning[] {
  if (longest === undefined) return []
  return [...models]
    .filter(([, { timeoutMs = 0 }]) => timeoutMs > longest)
    .map(([id, { timeoutMs }]) => ({
      text: `models.${id}.timeoutMs is ${timeoutMs}, above MAX_REQUEST_TIMEOUT_MS (${longest})`,
      todo: 'raise MAX_REQUEST_TIMEOUT_MS here and at the relays, or lower it',
    }))
}
