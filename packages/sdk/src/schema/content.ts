import { z } from 'zod'

/** A prompt cache breakpoint: what lies before it, this part included, may be kept by the vendor. */
export const CacheControl = z
  .object({
    type: z.literal('ephemeral').describe('The only kind there is.'),
    ttl: z.enum(['5m', '1h']).optional().describe('How long it is kept since its last use. Default 5m.'),
  })
  .describe('Prompt cache breakpoint. Anthropic: passed on. OpenAI and Gemini cache by themselves and ignore it.')
export type CacheControl = z.infer<typeof CacheControl>

const cache_control = CacheControl.optional()
const prompt_cache_breakpoint = z
  .looseObject({ mode: z.string() })
  .optional()
  .describe('OpenAI’s own cache breakpoint. Passed on to OpenAI, ignored elsewhere.')

export const TextPart = z
  .object({
    type: z.literal('text'),
    text: z.string().describe('The text. Parts without text are left out for Anthropic, which refuses them.'),
    cache_control,
    prompt_cache_breakpoint,
  })
  .describe('Text.')
export type TextPart = z.infer<typeof TextPart>

export const ImagePart = z
  .object({
    type: z.literal('image_url'),
    image_url: z.object({
      url: z
        .string()
        .min(1)
        .describe(
          '`data:` URL with base64, or an http(s) address, which the vendor itself fetches. Gemini takes addresses of its ' +
            'own Files API only; others are fetched by the BFF where its operator allows the host (`imageFetch`), else ' +
            'send a `data:` URL.',
        ),
      detail: z.string().optional().describe('`auto` (default), `low`, `high` or `original`. OpenAI only.'),
    }),
    cache_control,
    prompt_cache_breakpoint,
  })
  .describe('An image.')
export type ImagePart = z.infer<typeof ImagePart>

export const AudioPart = z
  .object({
    type: z.literal('input_audio'),
    input_audio: z.object({
      data: z.string().min(1).describe('The audio in base64.'),
      format: z.string().min(1).describe('`wav` or `mp3`; Gemini also `aac`, `ogg`, `flac`, `aiff`.'),
    }),
    cache_control,
    prompt_cache_breakpoint,
  })
  .describe('Audio. OpenAI and Gemini; refused for Anthropic, which has no ears.')
export type AudioPart = z.infer<typeof AudioPart>

export const FilePart = z
  .object({
    type: z.literal('file'),
    file: z.object({
      file_data: z
        .string()
        .optional()
        .describe('`data:` URL with base64, such as `data:application/pdf;base64,…`. Bare base64 is read as PDF.'),
      file_id: z.string().optional().describe('Id of a file uploaded to this very vendor.'),
      filename: z.string().optional().describe('Name shown to the model. Anthropic: the document’s title.'),
    }),
    cache_control,
    prompt_cache_breakpoint,
  })
  .describe('A document: PDF for all vendors, plain text for Anthropic and Gemini, media for Gemini.')
export type FilePart = z.infer<typeof FilePart>

export const RefusalPart = z
  .object({ type: z.literal('refusal'), refusal: z.string().describe('Why the model declined.') })
  .describe('A refusal that an earlier answer contained. Sent as text to vendors without refusals.')
export type RefusalPart = z.infer<typeof RefusalPart>

/** A part of what a user says. */
export const UserPart = z.discriminatedUnion('type', [TextPart, ImagePart, AudioPart, FilePart])
export type UserPart = z.infer<typeof UserPart>

/** A part of what a tool answered. OpenAI takes text alone. */
export const ToolResultPart = z.discriminatedUnion('type', [TextPart, ImagePart, FilePart])
export type ToolResultPart = z.infer<typeof ToolResultPart>

/** A part of what the model said. */
export const AssistantPart = z.discriminatedUnion('type', [TextPart, RefusalPart])
export type AssistantPart = z.infer<typeof AssistantPart>
