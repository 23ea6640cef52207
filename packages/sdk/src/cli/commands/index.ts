import type { Command } from '../command.ts'
import { keys } from './keys.ts'
import { usage } from './usage.ts'

/** All commands, in the order in which they are listed. */
export const COMMANDS: readonly Command[] = [keys, usage]
