import { z } from 'zod'

const tokens = () => z.number().int().nonnegative()

/** What the prompt's tokens were. All counts are parts of `prompt_tokens`. */
export const PromptTokensDetails = z
  .object({
    cached_tokens: tokens().optional().describe('Tokens read from the vendor’s prompt cache.'),
    cache_write_tokens: tokens().optional().describe('Tokens written to the vendor’s prompt cache.'),
    cache_write_1h_tokens: tokens()
      .optional()
      .describe('Those of `cache_write_tokens` that live one hour and cost more (Anthropic).'),
    audio_tokens: tokens().optional().describe('Tokens of audio.'),
    text_tokens: tokens().optional().describe('Tokens of text.'),
    image_tokens: tokens().optional().describe('Tokens of images.'),
  })
  .describe('Parts of `prompt_tokens`. A part that the vendor does not report is absent.')

/** What the answer's tokens were. All counts are parts of `completion_tokens`. */
export const CompletionTokensDetails = z
  .object({
    reasoning_tokens: tokens().optional().describe('Tokens spent on reasoning.'),
    audio_tokens: tokens().optional().describe('Tokens of audio.'),
    text_tokens: tokens().optional().describe('Tokens of text.'),
    image_tokens: tokens().optional().describe('Tokens of images.'),
    accepted_prediction_tokens: tokens().optional().describe('Predicted tokens that were right (OpenAI).'),
    rejected_prediction_tokens: tokens().optional().describe('Predicted tokens that were wrong, and billed (OpenAI).'),
  })
  .describe('Parts of `completion_tokens`. A part that the vendor does not report is absent.')

/**
 * Tokens of one call, on one base for every vendor: the prompt includes what was cached, the completion includes
 * reasoning. A vendor that reports nothing gives no usage at all, never zeros.
 */
export const Usage = z
  .object({
    prompt_tokens: tokens().describe('Tokens read, those from and to the prompt cache included.'),
    completion_tokens: tokens().describe('Tokens written, reasoning included.'),
    total_tokens: tokens().describe('Sum of both.'),
    prompt_tokens_details: PromptTokensDetails.optional(),
    completion_tokens_details: CompletionTokensDetails.optional(),
  })
  .describe('Tokens of one call: the prompt includes cached tokens, the completion includes reasoning.')
export type Usage = z.infer<typeof Usage>
