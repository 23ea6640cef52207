import { fields } from '@llm-ferry/kit'
import type { Usage } from '@llm-ferry/sdk'
import { calcPrice, type Provider } from '@pydantic/genai-prices'
import { z } from 'zod'

/** A model’s price in US dollars a million tokens, as the configuration file writes it. */
export interface PriceText {
  readonly input: number
  readonly output: number
  readonly cachedInput?: number | undefined
  readonly cacheWrite?: number | undefined
}

const dollars = z.number().nonnegative()

export const priceSchema: z.ZodType<PriceText> = fields({
  input: dollars.describe('US dollars a million prompt tokens.'),
  output: dollars.describe('US dollars a million completion tokens, reasoning included.'),
  cachedInput: dollars
    .optional()
    .describe('The same for prompt tokens read from the vendor’s cache. Default: `input`.'),
  cacheWrite: dollars.optional().describe('The same for those written to it. Default: `input`.'),
})

/** What a call’s tokens cost, in billionths of a US dollar; `undefined`: the price is not known. */
export type Prices = (vendor: string, model: string, usage: Usage) => number | undefined

/** How long a price is taken as it was found, in ms: prices change by the day, and some by the hour. */
const FRESH_MS = 60_000
/** Models whose prices are kept; callers can make up names. */
const MAX_KNOWN = 1_000

/**
 * Prices of the vendors’ models from a data package, cached tokens and tiers as each vendor has them.
 *
 * @param own prices by `vendor/model` that come before the package’s.
 */
export function createPrices(own: ReadonlyMap<string, PriceText>): Prices {
  const configured = new Map([...own].map(([id, price]) => [id, ownProvider(id, price)]))
  const found = new Map<string, { readonly provider: Provider | undefined; readonly until: number }>()

  function providerOf(vendor: string, model: string): Provider | undefined {
    const id = `${vendor}/${model}`
    const known = configured.get(id)
    if (known !== undefined) return known
    const cached = found.get(id)
    if (cached !== undefined && cached.until > performance.now()) return cached.provider
    if (found.size >= MAX_KNOWN) found.clear()
    const provider = soleModel(vendor, model)
    found.set(id, { provider, until: performance.now() + FRESH_MS })
    return provider
  }

  return (vendor, model, usage) => {
    const provider = providerOf(vendor, model)
    const [only] = provider?.models ?? []
    if (provider === undefined || only === undefined) return undefined
    const price = calcPrice(billed(usage), only.id, { provider })
    return price === null ? undefined : Math.round(price.total_price * 1e9)
  }
}

/** The provider with the one model that matches, so that later look-ups need not go through all of them. */
function soleModel(vendor: string, model: string): Provider | undefined {
  const match = calcPrice({ input_tokens: 0, output_tokens: 0 }, model, { providerId: vendor })
  if (match === null) return undefined
  return { ...match.provider, models: [{ ...match.model, match: { equals: match.model.id } }] }
}

function ownProvider(id: string, { input, output, cachedInput, cacheWrite }: PriceText): Provider {
  const prices = {
    input_mtok: input,
    output_mtok: output,
    cache_read_mtok: cachedInput ?? input,
    cache_write_mtok: cacheWrite ?? input,
  }
  return { id: 'own', name: 'own', api_pattern: '', models: [{ id, match: { equals: id }, prices }] }
}

/**
 * The package’s names: as with ours, the input includes what was cached. It throws for parts that are more than the whole;
 * a vendor that counts so must not cost a call its line.
 */
function billed({ prompt_tokens: input, completion_tokens, prompt_tokens_details }: Usage): Record<string, number> {
  const { cached_tokens = 0, cache_write_tokens = 0, cache_write_1h_tokens = 0 } = prompt_tokens_details ?? {}
  const read = Math.min(cached_tokens, input)
  const written = Math.min(cache_write_tokens, input - read)
  const writtenLong = Math.min(cache_write_1h_tokens, written)
  return {
    input_tokens: input,
    output_tokens: completion_tokens,
    cache_read_tokens: read,
    cache_write_tokens: written,
    ...(writtenLong > 0 && { cache_write_1h_tokens: writtenLong }),
  }
}
