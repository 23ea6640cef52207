import { type ChatRequest, FerryError, type ModelCapabilities } from '@llm-ferry/sdk'
import type { ResolvedTarget } from './resolve.ts'

type Capability = keyof ModelCapabilities

/** What a part of a message needs, and the words for it. */
const PARTS: Readonly<Record<string, readonly [Capability, string]>> = {
  image_url: ['vision', 'sees no images'],
  file: ['documents', 'reads no documents'],
  input_audio: ['audio_input', 'hears no audio'],
}

/**
 * Refuses what the model is known not to be able to do, before it is called. What is not known is left to the vendor.
 *
 * @throws {FerryError} `unsupported_parameter` naming the part.
 */
export function requireCapabilities(request: ChatRequest, target: ResolvedTarget): void {
  const { capabilities = {} } = target
  const refuse = (param: string, why: string): never => {
    throw new FerryError('unsupported_parameter', `\`${param}\`: ${target.vendor}/${target.model} ${why}.`, { param })
  }
  if (capabilities.tools === false && request.tools?.length) refuse('tools', 'calls no tools')
  if (capabilities.structured_output === false && request.response_format?.type === 'json_schema') {
    refuse('response_format', 'keeps to no JSON Schema')
  }
  request.messages.forEach(({ content }, at) => {
    if (!Array.isArray(content)) return
    content.forEach(({ type }, part) => {
      const [capability, why] = PARTS[type] ?? []
      if (capability && why && capabilities[capability] === false) refuse(`messages[${at}].content[${part}]`, why)
    })
  })
}
