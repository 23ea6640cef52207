import { type CliContext, CliError, EXIT, wrongUse } from './command.ts'
import { COMMANDS } from './commands/index.ts'
import { ownVersion } from './version.ts'

const WIDTH = Math.max(...COMMANDS.map(({ name }) => name.length)) + 2

const HELP = `ferry: the command line of LLM Ferry

${COMMANDS.map(({ name, summary }) => `  ferry ${name.padEnd(WIDTH)}${summary}`).join('\n')}

  ferry COMMAND --help tells of a command; ferry --version, which version this is.
`

/** Runs a command line. @returns the exit code. */
export async function runCli(args: readonly string[], context: CliContext): Promise<number> {
  const [name = '', ...rest] = args
  try {
    await dispatch(name, rest, context)
    return EXIT.done
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    const hint = error.exitCode === EXIT.usage ? '\nferry --help lists the commands.' : ''
    context.err(`ferry: ${error.message}${hint}\n`)
    return error.exitCode
  }
}

async function dispatch(name: string, rest: readonly string[], context: CliContext): Promise<void> {
  if (name === '' || name === 'help' || isHelp(name)) return context.out(HELP)
  if (name === '--version' || name === 'version') return context.out(`${ownVersion()}\n`)
  const command = COMMANDS.find((one) => one.name === name)
  if (!command) throw wrongUse(`there is no command "${name}"`)
  if (rest.some(isHelp)) return context.out(command.help)
  await command.run(rest, context)
}

const isHelp = (argument: string): boolean => argument === '--help' || argument === '-h'
