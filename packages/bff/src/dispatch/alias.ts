import { fields } from '@llm-ferry/kit'
import { z } from 'zod'
import { type CacheText, modelCacheSchema } from '../cache/policy.ts'

/** What an alias may go on to its next target for, besides errors that may be repeated anyway. */
export const FALLBACK_CAUSES = ['slow_first_token', 'refusal'] as const
export type FallbackCause = (typeof FALLBACK_CAUSES)[number]

/** Longest wait for a stream's first token where the alias names no other, in ms. */
const FIRST_TOKEN_MS = 8_000

/** When an answer that may be billed is given up for the next target's. */
export interface FallbackPolicy {
  readonly on: ReadonlySet<FallbackCause>
  /** How long a stream may take to its first token, in ms. */
  readonly firstTokenMs: number
}

/** Nothing that may be billed is tried again: what holds without an alias that says otherwise. */
export const NO_FALLBACK: FallbackPolicy = { on: new Set(), firstTokenMs: FIRST_TOKEN_MS }

/** One of an alias's targets. */
export interface AliasTarget {
  /** `vendor/model`. */
  readonly id: string
  /** How often it comes first among the targets that have a weight. */
  readonly weight: number | undefined
}

/** A name that stands for several models. */
export interface Alias {
  /** In order of preference. */
  readonly targets: readonly AliasTarget[]
  readonly fallback: FallbackPolicy
  /** Whether its answers are cached. */
  readonly cache: CacheText | undefined
}

/** An alias as the configuration file writes it: a list of targets, or an object with them and what to fall back on. */
export function aliasSchema(modelId: z.ZodType<string>): z.ZodType<Alias> {
  const target = z.union([
    modelId.transform((id): AliasTarget => ({ id, weight: undefined })),
    fields({ model: modelId, weight: z.number().positive() }).transform(
      ({ model, weight }): AliasTarget => ({ id: model, weight }),
    ),
  ])
  const whole = fields({
    targets: z.array(target).min(1),
    fallbackOn: z.array(z.enum(FALLBACK_CAUSES)).default([]),
    firstTokenMs: z.int().positive().optional(),
    cache: modelCacheSchema.optional(),
  })
    .superRefine(({ targets, fallbackOn, firstTokenMs }, context) => {
      const idle = (field: string, advice: string): void =>
        context.addIssue({ code: 'custom', path: [field], message: `has no effect: ${advice}` })
      if (targets.length === 1 && fallbackOn.length > 0) idle('fallbackOn', 'add a second target, or remove it')
      if (firstTokenMs !== undefined && !fallbackOn.includes('slow_first_token'))
        idle('firstTokenMs', 'add slow_first_token to fallbackOn, or remove it')
    })
    .transform(
      ({ targets, fallbackOn, firstTokenMs = FIRST_TOKEN_MS, cache }): Alias => ({
        targets,
        fallback: { on: new Set(fallbackOn), firstTokenMs },
        cache,
      }),
    )
  return z.preprocess((value) => (Array.isArray(value) ? { targets: value } : value), whole)
}

/** What calls of a model may fall back on; `model` as the caller named it. */
export type FallbackOf = (model: string) => FallbackPolicy

export function createFallbacks(aliases: ReadonlyMap<string, Alias>): FallbackOf {
  return (model) => aliases.get(model)?.fallback ?? NO_FALLBACK
}
