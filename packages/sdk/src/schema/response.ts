import { z } from 'zod'
import { ImagePart } from './content.ts'
import { ReasoningDetail, ToolCall } from './message.ts'
import { Usage } from './usage.ts'

/** Why the model stopped, in one vocabulary. */
export const FinishReason = z
  .enum(['stop', 'length', 'tool_calls', 'content_filter', 'function_call'])
  .describe(
    '`stop`: it was done, or met a stop text. `length`: it met the token limit. `tool_calls`: it waits for tools. ' +
      '`content_filter`: it, or the vendor’s filter, declined.',
  )
export type FinishReason = z.infer<typeof FinishReason>

const tokenLogprob = z.object({ token: z.string(), logprob: z.number(), bytes: z.array(z.number()).nullable() })

export const TokenLogprob = tokenLogprob.extend({ top_logprobs: z.array(tokenLogprob) })
export type TokenLogprob = z.infer<typeof TokenLogprob>

export const Logprobs = z
  .object({ content: z.array(TokenLogprob).nullable(), refusal: z.array(TokenLogprob).nullable() })
  .describe('Log probabilities of the tokens, natural logarithm.')
export type Logprobs = z.infer<typeof Logprobs>

/** Where a statement of the answer comes from. */
export const Annotation = z
  .object({
    type: z.literal('url_citation'),
    url_citation: z.object({
      url: z.string().describe('Address of the source; for a document of the request `document:N`, N from 0.'),
      title: z.string().describe('Title of the source, or empty.'),
      start_index: z.number().int().describe('First character of `content` that rests on the source.'),
      end_index: z.number().int().describe('Character after the last one.'),
      cited_text: z.string().optional().describe('What the source says, verbatim, where the vendor quotes it.'),
    }),
  })
  .describe('A citation.')
export type Annotation = z.infer<typeof Annotation>

const finish = {
  native_finish_reason: z
    .string()
    .nullable()
    .optional()
    .describe('The vendor’s own word for `finish_reason`, where it has another one.'),
  stop_sequence: z.string().optional().describe('The stop text that was met, where the vendor tells (Anthropic).'),
}

const reasoning = {
  reasoning_content: z.string().nullable().optional().describe('What the model thought, as text, where it is shown.'),
  reasoning_details: z
    .array(ReasoningDetail)
    .optional()
    .describe('Opaque reasoning blocks. Echo them unchanged in the next turn. In a stream: once, complete.'),
}

export const ChatCompletionMessage = z
  .object({
    role: z.literal('assistant'),
    content: z.string().nullable().describe('The answer; null when there is no text.'),
    refusal: z.string().nullable().describe('Why the model declined; null when it did not.'),
    tool_calls: z.array(ToolCall).optional().describe('Tools it asks for.'),
    annotations: z.array(Annotation).optional().describe('Where statements come from.'),
    images: z.array(ImagePart).optional().describe('Images that the model drew (Gemini), as `data:` URLs.'),
    audio: z.looseObject({}).nullable().optional().describe('What the model spoke (OpenAI).'),
    ...reasoning,
  })
  .describe('The answer. Append it to `messages` as it is for the next turn.')
export type ChatCompletionMessage = z.infer<typeof ChatCompletionMessage>

export const ChatCompletionChoice = z.object({
  index: z.number().int().nonnegative(),
  message: ChatCompletionMessage,
  finish_reason: FinishReason,
  logprobs: Logprobs.nullable(),
  ...finish,
})
export type ChatCompletionChoice = z.infer<typeof ChatCompletionChoice>

const head = {
  id: z.string().describe('The vendor’s id of the answer.'),
  created: z.number().int().describe('When it was made, in seconds since 1970.'),
  model: z.string().describe('Model that answered, in the vendor’s name for it.'),
  service_tier: z.string().nullable().optional().describe('Tier that served it, where the vendor tells.'),
  system_fingerprint: z.string().nullable().optional().describe('The vendor’s mark of its configuration (OpenAI).'),
}

/** A whole answer. */
export const ChatCompletion = z
  .object({
    ...head,
    object: z.literal('chat.completion'),
    choices: z.array(ChatCompletionChoice).describe('One answer, or `n`.'),
    usage: Usage.optional().describe('What it took. Absent when the vendor does not tell.'),
  })
  .describe('A whole answer.')
export type ChatCompletion = z.infer<typeof ChatCompletion>

/** A piece of a tool call. */
export const ToolCallDelta = z
  .object({
    index: z.number().int().nonnegative().describe('Which of the calls, from 0; pieces of several may alternate.'),
    id: z.string().optional().describe('In the call’s first piece.'),
    type: z.enum(['function', 'custom']).optional().describe('In the call’s first piece.'),
    function: z
      .object({
        name: z.string().optional(),
        arguments: z.string().optional().describe('Next piece of the JSON text.'),
      })
      .optional(),
    custom: z.object({ name: z.string().optional(), input: z.string().optional() }).optional(),
  })
  .describe('A piece of a tool call.')
export type ToolCallDelta = z.infer<typeof ToolCallDelta>

/** What a chunk adds to the message. */
export const ChatDelta = z
  .object({
    role: z.literal('assistant').optional().describe('In the first chunk.'),
    content: z.string().nullable().optional().describe('Next piece of the text.'),
    refusal: z.string().nullable().optional().describe('Next piece of the refusal.'),
    tool_calls: z.array(ToolCallDelta).optional(),
    annotations: z.array(Annotation).optional().describe('All of them, in the last chunk before the finish.'),
    images: z.array(ImagePart).optional(),
    audio: z.looseObject({}).nullable().optional(),
    ...reasoning,
  })
  .describe('What this chunk adds to the message.')
export type ChatDelta = z.infer<typeof ChatDelta>

export const ChatChunkChoice = z.object({
  index: z.number().int().nonnegative(),
  delta: ChatDelta,
  finish_reason: FinishReason.nullable().describe('In the last chunk of the choice. A stream without one was cut.'),
  logprobs: Logprobs.nullable().optional(),
  ...finish,
})
export type ChatChunkChoice = z.infer<typeof ChatChunkChoice>

/** One event of a streamed answer. */
export const ChatChunk = z
  .object({
    ...head,
    object: z.literal('chat.completion.chunk'),
    choices: z.array(ChatChunkChoice).describe('Empty in the chunk that carries `usage`.'),
    usage: Usage.nullable().optional().describe('In the last chunk, when `stream_options.include_usage` asked for it.'),
    ferry: z
      .record(z.string(), z.string())
      .optional()
      .describe('In the first chunk: x-ferry-* values that came too late to be headers.'),
  })
  .describe('One event of a streamed answer.')
export type ChatChunk = z.infer<typeof ChatChunk>

/** An error as it is answered, and as the last event of a stream that failed; no `[DONE]` follows it. */
export const ErrorBody = z
  .object({
    error: z.looseObject({
      message: z.string().describe('What happened and what to do. May change: match `code`.'),
      type: z.string().describe('Family, such as `invalid_request_error`.'),
      param: z.string().nullable().describe('Path of the field at fault.'),
      code: z.string().nullable().describe('Stable code from the table of errors.'),
    }),
  })
  .describe('An error.')
export type ErrorBody = z.infer<typeof ErrorBody>
