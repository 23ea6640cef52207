import { readFileSync, writeFileSync } from 'node:fs'
import { FerryError } from '@llm-ferry/sdk'
import { parseChatRequest } from '@llm-ferry/sdk/schema'
import { expect, it } from 'vitest'
import { DIALECTS } from '../../src/vendors/registry.ts'
import { FEATURES, type Feature, PLAIN } from './support/features.ts'
import { REQUEST } from './support/run.ts'

const FILE = new URL('../../../../docs/chat-mapping.md', import.meta.url)

interface Column {
  readonly title: string
  readonly dialect: string
  readonly target: { readonly vendor: string; readonly model: string }
}

const column = (title: string, dialect: string, model: string, vendor = dialect): Column => ({
  title,
  dialect,
  target: { vendor, model },
})
const COLUMNS = [
  column('OpenAI', 'openai', 'gpt-5'),
  column('OpenAI dialect, others', 'openai', 'deepseek-chat', 'deepseek'),
  column('Claude 5.5', 'anthropic', 'claude-sonnet-5-5'),
  column('Claude 4.5', 'anthropic', 'claude-sonnet-4-5'),
  column('Gemini 3', 'gemini', 'gemini-3.8-flash'),
  column('Gemini 2.5', 'gemini', 'gemini-2.5-flash'),
]

function bodyOf({ dialect, target }: Column, add: object): { body: unknown; dropped: readonly string[] } {
  const wire = DIALECTS[dialect]!.request(parseChatRequest({ ...PLAIN, ...add }), target)
  return { body: JSON.parse(JSON.stringify(wire.body)), dropped: wire.dropped }
}

function cell(column: Column, { add, base = {} }: Feature): string {
  try {
    const { body, dropped } = bodyOf(column, add)
    const changed = changes(bodyOf(column, base).body, body)
    if (Object.keys(add).every((field) => dropped.includes(field))) return 'left out'
    if (changed.length > 0 && carries(body, add)) return 'carried'
    return changed.length > 0 ? `translated: ${changed.map((path) => `\`${path}\``).join(', ')}` : 'ignored'
  } catch (error) {
    if (!FerryError.is(error)) throw error
    return `refused: \`${error.param}\``
  }
}

/** Whether what was added stands in the body as it was added. */
function carries(body: unknown, add: object): boolean {
  return Object.entries(add).every(([field, value]) => JSON.stringify((body as never)[field]) === JSON.stringify(value))
}

const INNER = new Set(['generationConfig', 'toolConfig', 'output_config', 'metadata'])

/** Fields of the body that differ, two levels where the first is only a wrapper. */
function changes(before: unknown, after: unknown, prefix = ''): string[] {
  const [a, b] = [before ?? {}, after ?? {}] as Record<string, unknown>[]
  return [...new Set([...Object.keys(a!), ...Object.keys(b!)])].flatMap((key) => {
    if (JSON.stringify(a![key]) === JSON.stringify(b![key])) return []
    return INNER.has(key) ? changes(a![key], b![key], `${prefix}${key}.`) : [`${prefix}${key}`]
  })
}

function table(features: readonly Feature[]): string {
  const rows = features.map((feature) => [feature.name, ...COLUMNS.map((each) => cell(each, feature))])
  const lines = [['', ...COLUMNS.map(({ title }) => title)], ['---', ...COLUMNS.map(() => '---')], ...rows]
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

const ENDS: Readonly<Record<string, readonly string[]>> = {
  openai: [
    'stop',
    'length',
    'tool_calls',
    'content_filter',
    'function_call',
    'sensitive',
    'insufficient_system_resource',
  ],
  anthropic: [
    'end_turn',
    'stop_sequence',
    'pause_turn',
    'tool_use',
    'max_tokens',
    'model_context_window_exceeded',
    'refusal',
  ],
  gemini: [
    'STOP',
    'MAX_TOKENS',
    'CONTINUATION',
    'SAFETY',
    'RECITATION',
    'LANGUAGE',
    'BLOCKLIST',
    'PROHIBITED_CONTENT',
    'SPII',
    'IMAGE_SAFETY',
    'MALFORMED_FUNCTION_CALL',
    'UNEXPECTED_TOOL_CALL',
    'TOO_MANY_TOOL_CALLS',
    'OTHER',
  ],
}

const ENDING: Readonly<Record<string, (reason: string) => object[]>> = {
  openai: (finish_reason) => [{ choices: [{ index: 0, delta: {}, finish_reason }] }],
  anthropic: (stop_reason) => [{ type: 'message_delta', delta: { stop_reason } }, { type: 'message_stop' }],
  gemini: (finishReason) => [{ candidates: [{ finishReason }] }],
}

function ending(dialect: string, reason: string): string {
  const mapper = DIALECTS[dialect]!.stream(REQUEST, { vendor: dialect, model: 'm' })
  try {
    const chunks = ENDING[dialect]!(reason).flatMap((event) => mapper.event({ data: JSON.stringify(event) }))
    return `\`${chunks.flatMap(({ choices }) => choices).find((choice) => choice.finish_reason)?.finish_reason}\``
  } catch (error) {
    return FerryError.is(error) ? `error \`${error.code}\`` : String(error)
  }
}

function ends(): string {
  const rows = Object.entries(ENDS).flatMap(([dialect, reasons]) =>
    reasons.map((reason) => `| ${dialect} | \`${reason}\` | ${ending(dialect, reason)} |`),
  )
  return ['| dialect | vendor’s word | `finish_reason` |', '| --- | --- | --- |', ...rows].join('\n')
}

function page(): string {
  const groups = FEATURES.map(([group, features]) => `## ${group}\n\n${table(features)}`)
  return `# How each vendor takes a chat request

Written by \`packages/bff/test/vendors/docs.test.ts\`; it fails when this page is out of date. To write it anew:
\`UPDATE_DOCS=1 npx vitest run --project unit packages/bff/test/vendors/docs.test.ts\`.

- **carried**: sent as it came.
- **translated**: said in the vendor’s own fields, which are named.
- **left out**: the vendor has nothing like it, and the answer is still what was asked for. Named in \`x-ferry-dropped\`. So is a \`temperature\` above 1 at
  Claude, which takes no more and is sent 1.
- **ignored**: changes nothing, since the vendor does so anyway, or since it means something to another vendor only.
- **refused**: 400 \`unsupported_parameter\` before the call, with the field as \`param\`; a fallback target is skipped.

Models are read by generation: ${COLUMNS.map(({ title, target }) => `${title} is \`${target.model}\` here`).join(',\n')}.

${groups.join('\n\n')}

## How answers end

A Gemini answer that stops with function calls ends with \`tool_calls\`. A prompt that Gemini blocks ends with
\`content_filter\` and a \`refusal\`. The vendor’s own word is kept in \`native_finish_reason\`.

${ends()}
`
}

it('docs/chat-mapping.md is what the adapters do', () => {
  const now = page()
  if (process.env.UPDATE_DOCS) writeFileSync(FILE, now)
  expect(readFileSync(FILE, 'utf8')).toBe(now)
})
