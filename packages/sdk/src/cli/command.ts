/** What a command is given of the world. */
export interface CliContext {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Writes to the standard output; a line's end is the writer's. */
  readonly out: (text: string) => void
  /** Writes to the standard error. */
  readonly err: (text: string) => void
}

/** One command, such as `ferry usage`: one file in `commands/`, one line in `commands/index.ts`. */
export interface Command {
  readonly name: string
  /** One line, for the list of commands. */
  readonly summary: string
  /** What `ferry NAME --help` prints. */
  readonly help: string
  /** @param args what stands behind the command's name. @throws {CliError} */
  run(args: readonly string[], context: CliContext): Promise<void>
}

/** How `ferry` ends. */
export const EXIT = {
  done: 0,
  /** The server, or the thing that was asked for, said no. */
  refused: 1,
  /** The command line is wrong. */
  usage: 2,
  /** The server could not be reached. */
  unreached: 3,
} as const

/** A command that ends without having done its work. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly exitCode: number

  constructor(message: string, exitCode: number = EXIT.refused, options?: ErrorOptions) {
    super(message, options)
    this.exitCode = exitCode
  }
}

/** The command line is wrong. */
export const wrongUse = (message: string): CliError => new CliError(message, EXIT.usage)
