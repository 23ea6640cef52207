import { bareBff, bff, bffWithRedis } from './bff.ts'
import { direct } from './direct.ts'
import { litellm } from './litellm.ts'
import { nginx } from './nginx.ts'
import { oneApi } from './one-api.ts'
import { portkey } from './portkey.ts'
import { relay } from './relay.ts'
import type { Target } from './target.ts'

/** Everything that can be measured. To add one: a file, and a line here. */
export const TARGETS: readonly Target[] = [direct, nginx, relay, bareBff, bff, bffWithRedis, portkey, oneApi, litellm]
