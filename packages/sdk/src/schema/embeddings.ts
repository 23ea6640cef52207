import { z } from 'zod'

/** OpenAI's embeddings request. Vendors: OpenAI and Gemini. */
export const EmbeddingsRequest = z
  .looseObject({
    model: z.string().min(1).describe('`vendor/model`, a model’s bare name, or an alias.'),
    input: z
      .union([
        z.string().min(1),
        z.array(z.string().min(1)).min(1),
        z.array(z.number().int()).min(1),
        z.array(z.array(z.number().int()).min(1)).min(1),
      ])
      .describe('A text, a list of texts, or token ids (OpenAI only).'),
    encoding_format: z
      .enum(['float', 'base64'])
      .optional()
      .describe('`float` (default), or `base64` of little-endian 32-bit floats, which is shorter.'),
    dimensions: z.number().int().positive().optional().describe('Length of the vectors. Default: the model’s.'),
    user: z.string().optional().describe('End user. OpenAI: passed on; Gemini: left out.'),
  })
  .describe('OpenAI’s embeddings request.')
export type EmbeddingsRequest = z.infer<typeof EmbeddingsRequest>

export const Embedding = z.object({
  object: z.literal('embedding'),
  index: z.number().int().nonnegative().describe('Which of the inputs, from 0.'),
  embedding: z.union([z.array(z.number()), z.string()]).describe('Numbers, or base64 as asked.'),
})
export type Embedding = z.infer<typeof Embedding>

/** OpenAI's embeddings answer. */
export const EmbeddingsResponse = z
  .object({
    object: z.literal('list'),
    model: z.string(),
    data: z.array(Embedding),
    usage: z
      .object({ prompt_tokens: z.number().int(), total_tokens: z.number().int() })
      .optional()
      .describe('Tokens read. Absent when the vendor does not tell.'),
  })
  .describe('Vectors, one an input.')
export type EmbeddingsResponse = z.infer<typeof EmbeddingsResponse>
