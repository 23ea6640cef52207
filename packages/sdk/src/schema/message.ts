import { z } from 'zod'
import { AssistantPart, CacheControl, ImagePart, TextPart, ToolResultPart, UserPart } from './content.ts'

/**
 * One opaque piece of reasoning. Send it back unchanged in the next turn: it carries the vendor's signature, without
 * which Anthropic and Gemini refuse turns with tool calls.
 */
export const ReasoningDetail = z
  .looseObject({
    type: z
      .string()
      .describe(
        '`reasoning.text` (readable, maybe signed), `reasoning.encrypted` (only the vendor reads it), or other.',
      ),
    format: z
      .string()
      .optional()
      .describe('Whose it is: `anthropic.messages.v1`, `gemini.parts.v1`. Neither is sent what is not its own.'),
    model: z.string().optional().describe('The model that made it; no other is sent it.'),
    index: z.number().int().nonnegative().optional().describe('Place in the list, from 0.'),
    id: z.string().optional().describe('Id of the tool call that it belongs to, when it belongs to one.'),
    text: z.string().optional().describe('The reasoning as text.'),
    signature: z.string().optional().describe('The vendor’s signature of `text`.'),
    data: z.string().optional().describe('The vendor’s opaque block.'),
  })
  .describe('Opaque reasoning block. Echo it unchanged.')
export type ReasoningDetail = z.infer<typeof ReasoningDetail>

const functionCall = z.object({
  name: z.string().min(1).describe('Name of the function.'),
  arguments: z
    .string()
    .describe('Arguments as JSON text. Written by a model: it may be invalid, check it before use. Empty means `{}`.'),
})

export const FunctionToolCall = z
  .object({
    id: z.string().min(1).describe('Id that the result is answered with. Made up for Gemini models that give none.'),
    type: z.literal('function').default('function'),
    function: functionCall,
  })
  .describe('A call of a function.')
export type FunctionToolCall = z.infer<typeof FunctionToolCall>

export const CustomToolCall = z
  .object({
    id: z.string().min(1),
    type: z.literal('custom'),
    custom: z.object({ name: z.string().min(1), input: z.string() }),
  })
  .describe('A call of a custom tool. OpenAI only.')
export type CustomToolCall = z.infer<typeof CustomToolCall>

/** A tool call that a model made. */
export const ToolCall = z.union([CustomToolCall, FunctionToolCall]).describe('A call that the model asks for.')
export type ToolCall = z.infer<typeof ToolCall>

const name = z.string().optional().describe('Name of the speaker. OpenAI only, ignored elsewhere.')
const cache_control = CacheControl.optional()
const instructions = z.union([z.string(), z.array(TextPart)])

export const SystemMessage = z
  .object({
    role: z.literal('system'),
    content: instructions.describe('Instructions. May stand anywhere in the conversation.'),
    name,
    cache_control,
  })
  .describe('Instructions. Anthropic and Gemini: gathered, in order, into their one system field.')

export const DeveloperMessage = z
  .object({ role: z.literal('developer'), content: instructions.describe('Instructions.'), name, cache_control })
  .describe('The same as `system`; the name that newer OpenAI models use.')

export const UserMessage = z
  .object({
    role: z.literal('user'),
    content: z.union([z.string(), z.array(UserPart)]).describe('What the user says: text, or parts.'),
    name,
    cache_control,
  })
  .describe('What the user says. Messages of one role in a row become one turn where the vendor wants turns.')
export type UserMessage = z.infer<typeof UserMessage>

export const AssistantMessage = z
  .object({
    role: z.literal('assistant'),
    content: z
      .union([z.string(), z.array(AssistantPart)])
      .optional()
      .describe('What the model said. Absent or null when it only called tools.'),
    refusal: z.string().optional().describe('Why the model declined, as an earlier answer said.'),
    tool_calls: z
      .array(ToolCall)
      .optional()
      .describe('Calls the model made. Each needs a `tool` message after this one.'),
    function_call: z
      .object({ name: z.string(), arguments: z.string() })
      .optional()
      .describe('Deprecated form of `tool_calls`. OpenAI-dialect vendors only, refused elsewhere.'),
    reasoning_content: z
      .string()
      .optional()
      .describe(
        'The reasoning as text. For display; vendors are sent `reasoning_details`, DeepSeek-like ones this text.',
      ),
    reasoning_details: z
      .array(ReasoningDetail)
      .optional()
      .describe('Opaque reasoning blocks of an earlier answer. Echo them unchanged.'),
    images: z.array(ImagePart).optional().describe('Images that the model drew (Gemini).'),
    audio: z.object({ id: z.string() }).optional().describe('Id of audio that the model spoke. OpenAI only.'),
    name,
    cache_control,
  })
  .describe('What the model said: an earlier answer, echoed.')
export type AssistantMessage = z.infer<typeof AssistantMessage>

export const ToolMessage = z
  .object({
    role: z.literal('tool'),
    tool_call_id: z.string().min(1).describe('Id of the call that this answers.'),
    content: z
      .union([z.string(), z.array(ToolResultPart)])
      .describe('The result: text (JSON text too), or parts; images for Anthropic and Gemini only.'),
    is_error: z
      .boolean()
      .optional()
      .describe(
        'Whether the tool failed. Default false. Anthropic: `is_error`; Gemini: the result stands under `error`; OpenAI ' +
          'has no such flag and reads the text.',
      ),
    cache_control,
  })
  .describe('What a tool answered.')
export type ToolMessage = z.infer<typeof ToolMessage>

export const FunctionMessage = z
  .object({
    role: z.literal('function'),
    name: z.string().min(1).describe('Name of the function that this answers.'),
    content: z.string().optional().describe('The result.'),
  })
  .describe('Deprecated form of `tool`. OpenAI-dialect vendors only, refused elsewhere.')
export type FunctionMessage = z.infer<typeof FunctionMessage>

/** One message of a conversation. Unknown fields in it are ignored, since clients echo fields of answers. */
export const ChatMessage = z
  .discriminatedUnion('role', [
    SystemMessage,
    DeveloperMessage,
    UserMessage,
    AssistantMessage,
    ToolMessage,
    FunctionMessage,
  ])
  .describe('One message of the conversation.')
export type ChatMessage = z.infer<typeof ChatMessage>
