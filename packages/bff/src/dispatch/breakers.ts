import { FerryError, isErrorCode } from '@llm-ferry/sdk'
import {
  BrokenCircuitError,
  type CircuitBreakerPolicy,
  CircuitState,
  circuitBreaker,
  handleWhen,
  SamplingBreaker,
} from 'cockatiel'
import { AttemptFailure } from './failure.ts'

/** A vendor’s model, which fails or serves as one. */
interface Served {
  readonly vendor: string
  readonly model: string
}

/** An attempt that was not made. Another model may serve at once; this one not before its rest is over. */
export class ModelRests extends AttemptFailure {
  constructor({ vendor, model }: Served, restMs: number) {
    const message = `${vendor}/${model} has failed too often and rests for up to ${Math.ceil(restMs / 1000)} s`
    super(new FerryError('vendor_overloaded', message, { vendor, retryAfterMs: restMs }), 'unreached')
  }
}

export interface BreakerOptions {
  /** How long a model that fails is left alone before one call tries it again, in ms. Default 10000. */
  readonly restMs?: number
  /** Told of each breaker that opens (1) or is open no longer (-1). */
  readonly onChange?: (vendor: string, change: 1 | -1) => void
}

/** Half of the calls of this many ms must fail, and there must be enough of them to tell. */
const SAMPLED_MS = 30_000
const LEAST_CALLS = 6
/** Breakers kept; callers can make up models. */
const MAX_BREAKERS = 1_000

/** Failures that another call to the same model would share. What the caller or its limits caused says nothing of it. */
const FAILURES: ReadonlySet<string> = new Set([
  'vendor_error',
  'vendor_overloaded',
  'upstream_timeout',
  'upstream_truncated',
  'upstream_invalid',
  'upstream_unreachable',
])

/** Circuit breakers, one for each vendor and model: while one is open its calls fail at once, so that others are tried. */
export class Breakers {
  readonly #byModel = new Map<string, CircuitBreakerPolicy>()
  readonly #restMs: number
  readonly #onChange: NonNullable<BreakerOptions['onChange']>

  constructor({ restMs = 10_000, onChange = () => {} }: BreakerOptions = {}) {
    this.#restMs = restMs
    this.#onChange = onChange
  }

  /** Makes an attempt, unless its model rests. @throws {AttemptFailure} */
  async run<T>(target: Served, attempt: () => Promise<T>): Promise<T> {
    const breaker = this.#breaker(target)
    // The library would let it wait for the one call that tries, past its own deadline.
    if (breaker.state === CircuitState.HalfOpen) throw new ModelRests(target, this.#restMs)
    try {
      return await breaker.execute(attempt)
    } catch (error) {
      if (error instanceof BrokenCircuitError) throw new ModelRests(target, this.#restMs)
      throw error
    }
  }

  #breaker({ vendor, model }: Served): CircuitBreakerPolicy {
    const id = `${vendor}/${model}`
    const known = this.#byModel.get(id)
    if (known) return known
    this.#makeRoom()
    const made = this.#create(vendor)
    this.#byModel.set(id, made)
    return made
  }

  #create(vendor: string): CircuitBreakerPolicy {
    const minimumRps = LEAST_CALLS / (SAMPLED_MS / 1000)
    const breaker = new SamplingBreaker({ threshold: 0.5, duration: SAMPLED_MS, minimumRps })
    const made = circuitBreaker(handleWhen(isFailure), { halfOpenAfter: this.#restMs, breaker })
    let isOpen = false
    made.onStateChange((state) => {
      const opens = state !== CircuitState.Closed
      if (opens !== isOpen) this.#onChange(vendor, opens ? 1 : -1)
      isOpen = opens
    })
    return made
  }

  /** The longest known that is closed leaves; an open one has something to tell. */
  #makeRoom(): void {
    if (this.#byModel.size < MAX_BREAKERS) return
    const [leaving] = [...this.#byModel].find(([, { state }]) => state === CircuitState.Closed) ?? []
    if (leaving !== undefined) this.#byModel.delete(leaving)
  }
}

function isFailure(thrown: unknown): boolean {
  const error = thrown instanceof AttemptFailure ? thrown.error : thrown
  return FerryError.is(error) && isErrorCode(error.code) && FAILURES.has(error.code)
}
