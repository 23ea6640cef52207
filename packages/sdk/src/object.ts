import { AnswerStream } from './answer-stream.ts'
import { FerryError } from './errors.ts'
import type { ChatEvent } from './events.ts'
import type { CallMeta } from './meta.ts'
import type { ChatParams } from './params.ts'
import { parsePartialJson } from './partial-json.ts'
import type { ChatResult } from './result.ts'
import type { ResponseFormat } from './schema/tool.ts'
import type { Usage } from './schema/usage.ts'
import { type AnySchema, describeIssues, type JsonSchemaObject, toJsonSchema, validate } from './standard-schema.ts'
import type { ChatStream } from './stream.ts'

/** What to ask, and the form of the answer. */
export interface ObjectParams<Schema extends AnySchema> extends Omit<ChatParams, 'response_format' | 'n'> {
  /** The form: a zod or other Standard Schema of an object, or a JSON Schema. */
  readonly schema: Schema
  /** JSON Schema of `schema`, for a Standard Schema that cannot give its own. */
  readonly jsonSchema?: JsonSchemaObject | undefined
  /** Name of the form, which OpenAI's models read. Default `answer`. */
  readonly name?: string | undefined
}

/** An answer of the asked form. */
export interface ObjectResult<T> {
  /** The object, checked. */
  readonly object: T
  /** Its JSON. */
  readonly text: string
  readonly usage: Usage | undefined
  readonly meta: CallMeta
}

/** The object so far: any part may be missing, the last string may be cut. */
export type PartialObject<T> = T extends readonly (infer Item)[]
  ? PartialObject<Item>[]
  : T extends object
    ? { [K in keyof T]?: PartialObject<T[K]> }
    : T

/** An object as it grows. It can be read once. */
export class ObjectStream<T> extends AnswerStream<ChatEvent, ObjectResult<T>> {
  readonly #stream: ChatStream
  readonly #batches: AsyncIterator<readonly ChatEvent[], undefined>
  readonly #schema: AnySchema
  #text = ''

  /** @internal Made by `ferry.chat.object.stream()`. */
  constructor(stream: ChatStream, schema: AnySchema) {
    super()
    this.#stream = stream
    this.#batches = stream.batches()
    this.#schema = schema
  }

  /**
   * The object each time it has grown. Not checked against the schema: only `final()` is.
   *
   * @example
   * for await (const recipe of ferry.chat.object.stream({ schema, model, messages }).partials()) show(recipe.steps ?? [])
   */
  partials(): AsyncIterableIterator<PartialObject<T>, undefined, undefined> {
    return this.items((events) => {
      if (!events.some((event) => event.type === 'text-delta')) return []
      const value = parsePartialJson(this.#text)
      return value === undefined ? [] : [value as PartialObject<T>]
    })
  }

  protected override async pull(): Promise<readonly ChatEvent[] | undefined> {
    const { done, value } = await this.#batches.next()
    if (done) return this.#finish()
    for (const event of value) if (event.type === 'text-delta' && event.choice === 0) this.#text += event.text
    return value
  }

  protected override leave(reason: unknown): void {
    this.#stream.cancel(reason)
  }

  async #finish(): Promise<undefined> {
    this.succeed(await objectResult<T>(await this.#stream.final(), this.#schema))
  }
}

/** The request's `response_format` for a schema. */
export function responseFormat({ schema, jsonSchema, name = 'answer' }: ObjectParams<AnySchema>): ResponseFormat {
  return { type: 'json_schema', json_schema: { name, schema: toJsonSchema(schema, jsonSchema), strict: true } }
}

async function objectResult<T>(answer: ChatResult, schema: AnySchema): Promise<ObjectResult<T>> {
  const checked = await validate(schema, objectIn(answer))
  if (checked.issues) throw unfit(answer, describeIssues(checked.issues), checked.issues)
  const { text, usage, meta } = answer
  return { object: checked.value as T, text, usage, meta }
}

function objectIn(answer: ChatResult): unknown {
  const { finishReason, message, text } = answer
  if (message.refusal || finishReason === 'content_filter') throw unfit(answer, message.refusal ?? 'the model declined')
  if (finishReason === 'length') throw unfit(answer, 'it was cut off at the token limit; raise `max_completion_tokens`')
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw unfit(answer, 'it is not JSON', cause)
  }
}

function unfit({ meta }: ChatResult, reason: string, cause?: unknown): FerryError {
  const { requestId, vendor } = meta
  return new FerryError('upstream_invalid', `The answer does not fit the schema: ${reason}.`, {
    requestId,
    vendor,
    cause,
  })
}
