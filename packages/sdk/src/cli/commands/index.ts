import type { Command } from '../command.ts'
import { benchLink } from './bench-link.ts'
import { config } from './config.ts'
import { doctor } from './doctor.ts'
import { init } from './init.ts'
import { keys } from './keys.ts'
import { usage } from './usage.ts'

/** All commands, in the order in which they are listed. */
export const COMMANDS: readonly Command[] = [init, config, doctor, benchLink, keys, usage]
