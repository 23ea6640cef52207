import { z } from 'zod'
import { CacheControl } from './content.ts'
import { ChatMessage } from './message.ts'
import { ResponseFormat, Tool, ToolChoice } from './tool.ts'

/** How much the model reasons before it answers, from not at all to all it can. */
export const ReasoningEffort = z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'])
export type ReasoningEffort = z.infer<typeof ReasoningEffort>

const sampling = {
  temperature: z
    .number()
    .min(0)
    .max(2)
    .optional()
    .describe(
      'Randomness, 0 to 2. Default: the model’s. Anthropic: to 1 at most, and left out for models that take none; ' +
        'Gemini: as it is.',
    ),
  top_p: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe('Nucleus sampling, 0 to 1. Default: the model’s. Anthropic: left out where the model takes none.'),
  frequency_penalty: z.number().min(-2).max(2).optional().describe('-2 to 2, default 0. Anthropic: left out.'),
  presence_penalty: z.number().min(-2).max(2).optional().describe('-2 to 2, default 0. Anthropic: left out.'),
  logit_bias: z
    .record(z.string(), z.number())
    .optional()
    .describe('Bias by token id. OpenAI only, left out elsewhere.'),
  seed: z.number().int().optional().describe('Same seed, same answer, as far as the vendor can. Anthropic: left out.'),
}

const output = {
  max_completion_tokens: z
    .number()
    .int()
    .positive()
    .optional()
    .describe(
      'Most tokens to write, reasoning included. Default: the model’s most; Anthropic wants a number, which comes from a ' +
        'table of models.',
    ),
  max_tokens: z.number().int().positive().optional().describe('Older name of `max_completion_tokens`, which wins.'),
  stop: z
    .union([z.string(), z.array(z.string())])
    .optional()
    .describe('Text that ends the answer: one, or a list of up to 4 (Gemini 5). Anthropic takes none of blanks alone.'),
  n: z
    .number()
    .int()
    .min(1)
    .max(128)
    .optional()
    .describe('Answers to write, default 1. Anthropic: more than 1 is refused.'),
  logprobs: z.boolean().optional().describe('Whether to return log probabilities. Anthropic: refused.'),
  top_logprobs: z
    .number()
    .int()
    .min(0)
    .max(20)
    .optional()
    .describe('Alternatives a token, 0 to 20. Anthropic: refused.'),
  response_format: ResponseFormat.optional(),
  modalities: z.array(z.string()).optional().describe('`text` (default), `audio` (OpenAI), `image` (Gemini).'),
  audio: z.looseObject({}).optional().describe('Voice and format of spoken answers. OpenAI only, refused elsewhere.'),
  verbosity: z.string().optional().describe('`low`, `medium` or `high`. OpenAI only, left out elsewhere.'),
  prediction: z
    .looseObject({})
    .optional()
    .describe('Text much of which the answer will repeat, for speed. OpenAI only, left out elsewhere.'),
}

const account = {
  user: z.string().optional().describe('End user, for limits here. OpenAI: as it is; Anthropic: `metadata.user_id`.'),
  safety_identifier: z
    .string()
    .optional()
    .describe('End user as a stable hash, before `user`. OpenAI: as it is; Anthropic: `metadata.user_id`.'),
  metadata: z.record(z.string(), z.string()).optional().describe('Up to 16 labels. OpenAI only, left out elsewhere.'),
  store: z.boolean().optional().describe('Whether OpenAI keeps the answer. Left out elsewhere.'),
  service_tier: z
    .string()
    .optional()
    .describe(
      '`auto`, `default`, `flex`, `priority`, … Anthropic: `default` is standard_only, `auto` and `priority` are auto; ' +
        'Gemini: standard, flex, priority.',
    ),
  prompt_cache_key: z
    .string()
    .optional()
    .describe('Groups requests that share a prefix. OpenAI only, left out elsewhere.'),
  cache_control: CacheControl.optional().describe(
    'Breakpoint at the end of the prompt. Anthropic: passed on. OpenAI and Gemini cache by themselves.',
  ),
}

/**
 * A chat request: OpenAI's Chat Completions request, for every vendor.
 *
 * Any field may be null, which means the same as leaving it out. Unknown top-level fields are kept: they go to
 * OpenAI-dialect targets unchanged, and are named in `x-ferry-dropped` elsewhere.
 */
export const ChatRequest = z
  .looseObject({
    model: z.string().min(1).describe('`vendor/model`, a model’s bare name, or an alias.'),
    messages: z.array(ChatMessage).min(1).describe('The conversation so far, oldest first.'),
    stream: z.boolean().optional().describe('Whether to answer as server-sent events, chunk by chunk. Default false.'),
    stream_options: z
      .looseObject({
        include_usage: z.boolean().optional().describe('Whether a last chunk carries `usage`. Default false.'),
      })
      .optional()
      .describe('Options of the stream.'),
    tools: z.array(Tool).optional().describe('Tools the model may ask for.'),
    tool_choice: ToolChoice.optional(),
    parallel_tool_calls: z
      .boolean()
      .optional()
      .describe('Whether the model may ask for several tools at once. Default true. Gemini: false is refused.'),
    reasoning_effort: ReasoningEffort.optional().describe(
      'How much to reason. Default: the model’s. Anthropic: thinking and effort, or a budget for older models; Gemini: ' +
        'thinkingLevel, or a budget for older models.',
    ),
    web_search_options: z.looseObject({}).optional().describe('OpenAI’s search models only, refused elsewhere.'),
    functions: z
      .array(z.unknown())
      .optional()
      .describe('Deprecated form of `tools`. OpenAI-dialect vendors only, refused elsewhere.'),
    function_call: z
      .unknown()
      .optional()
      .describe('Deprecated form of `tool_choice`. OpenAI-dialect vendors only, refused elsewhere.'),
    ...sampling,
    ...output,
    ...account,
  })
  .describe('OpenAI’s Chat Completions request, for every vendor. Null means the same as absent.')
export type ChatRequest = z.infer<typeof ChatRequest>
