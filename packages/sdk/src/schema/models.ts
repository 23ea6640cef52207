import { z } from 'zod'

const price = () => z.number().nonnegative().optional()

/** Money for a million tokens. What is absent is unknown, not free. */
export const ModelPrice = z
  .object({
    currency: z.string().describe('ISO 4217, such as `USD`.'),
    input: price().describe('A million prompt tokens that were not cached.'),
    output: price().describe('A million completion tokens.'),
    cache_read: price().describe('A million prompt tokens read from the cache.'),
    cache_write: price().describe('A million prompt tokens written to the cache.'),
    cache_write_1h: price().describe('The same, kept for an hour.'),
  })
  .describe('Money for a million tokens.')
export type ModelPrice = z.infer<typeof ModelPrice>

const can = (what: string) => z.boolean().optional().describe(what)

/** What a model can do. What is absent is unknown. */
export const ModelCapabilities = z
  .object({
    stream: can('Streams.'),
    tools: can('Calls tools.'),
    vision: can('Sees images.'),
    documents: can('Reads PDF.'),
    audio_input: can('Hears audio.'),
    audio_output: can('Speaks.'),
    structured_output: can('Keeps to a JSON Schema.'),
    reasoning: can('Reasons before it answers.'),
    embeddings: can('Makes embeddings.'),
  })
  .describe('What the model can do.')
export type ModelCapabilities = z.infer<typeof ModelCapabilities>

/** A model that can be called here. */
export const Model = z
  .object({
    id: z.string().describe('`vendor/model`, or an alias.'),
    object: z.literal('model'),
    created: z.number().int().describe('Seconds since 1970; 0 when unknown.'),
    owned_by: z.string().describe('Vendor.'),
    context_window: z.number().int().positive().optional().describe('Tokens of prompt and answer together.'),
    max_output_tokens: z.number().int().positive().optional().describe('Most tokens it writes.'),
    capabilities: ModelCapabilities.optional(),
    pricing: ModelPrice.optional(),
    targets: z.array(z.string()).optional().describe('For an alias: what it stands for, in order.'),
  })
  .describe('A model that can be called here.')
export type Model = z.infer<typeof Model>

export const ModelList = z.object({ object: z.literal('list'), data: z.array(Model) })
export type ModelList = z.infer<typeof ModelList>
