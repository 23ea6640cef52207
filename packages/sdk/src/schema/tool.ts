import { z } from 'zod'
import { CacheControl } from './content.ts'

const toolName = z.string().min(1).describe('Name, 1 to 64 of letters, digits, `_` and `-` to suit every vendor.')

/** JSON Schema as an object. */
export const JsonSchema = z.record(z.string(), z.unknown()).describe('A JSON Schema.')
export type JsonSchema = z.infer<typeof JsonSchema>

export const FunctionTool = z
  .object({
    type: z.literal('function'),
    function: z.object({
      name: toolName,
      description: z.string().optional().describe('When and how to use it: the model reads this.'),
      parameters: JsonSchema.optional().describe(
        'JSON Schema of the arguments, an object. Default: no arguments. Keywords that a vendor’s subset lacks are ' +
          'rewritten, or refused by name.',
      ),
      strict: z
        .boolean()
        .optional()
        .describe('Whether arguments always fit the schema. OpenAI, Anthropic; Gemini: mode VALIDATED.'),
    }),
    cache_control: CacheControl.optional(),
  })
  .describe('A function the model may ask for.')
export type FunctionTool = z.infer<typeof FunctionTool>

export const CustomTool = z
  .object({ type: z.literal('custom'), custom: z.looseObject({ name: toolName }) })
  .describe('A tool with free text as input. OpenAI only, refused elsewhere.')

/** A tool the model may ask for. */
export const Tool = z.discriminatedUnion('type', [FunctionTool, CustomTool])
export type Tool = z.infer<typeof Tool>

const NamedTool = z.object({ type: z.literal('function'), function: z.object({ name: z.string().min(1) }) })

/** Which tools the model may, must or must not use. */
export const ToolChoice = z
  .union([
    z.enum(['none', 'auto', 'required']),
    z.discriminatedUnion('type', [
      NamedTool,
      z.object({ type: z.literal('custom'), custom: z.object({ name: z.string().min(1) }) }),
      z.object({
        type: z.literal('allowed_tools'),
        allowed_tools: z.object({ mode: z.enum(['auto', 'required']), tools: z.array(z.looseObject({})) }),
      }),
    ]),
  ])
  .describe(
    '`none`, `auto` (default with tools), `required` (at least one), one function by name, or `allowed_tools`. ' +
      'Anthropic: none, auto, any, tool; allowed_tools by leaving the others out. Gemini: NONE, AUTO, ANY, ' +
      'allowedFunctionNames.',
  )
export type ToolChoice = z.infer<typeof ToolChoice>

/** The form of the answer. */
export const ResponseFormat = z
  .discriminatedUnion('type', [
    z.object({ type: z.literal('text') }),
    z.object({ type: z.literal('json_object') }),
    z.object({
      type: z.literal('json_schema'),
      json_schema: z.object({
        name: z.string().min(1).describe('Name of the form. OpenAI only.'),
        description: z.string().optional().describe('What the form is for. OpenAI only.'),
        schema: JsonSchema.optional().describe('JSON Schema of the answer.'),
        strict: z.boolean().optional().describe('Whether the answer always fits. Anthropic and Gemini: always.'),
      }),
    }),
  ])
  .describe('`text` (default), `json_schema` (all vendors), or `json_object` (OpenAI, Gemini; refused for Anthropic).')
export type ResponseFormat = z.infer<typeof ResponseFormat>
