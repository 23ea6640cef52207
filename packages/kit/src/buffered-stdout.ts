import { writeSync } from 'node:fs'

/** How long a line may wait for others, in ms, and how many bytes may. */
const WAIT_MS = 20
const WAIT_BYTES = 65_536

/**
 * Stdout for a log that writes a line a request: lines of one moment go out in one call, what waits at exit goes out
 * then. A process that is killed loses the last moment's lines.
 *
 * pino's own destination waits for ever at exit when the reader of stdout is gone; this one has no use for the rest.
 */
export function bufferedStdout(): { write(line: string): void } {
  let waiting = ''
  let timer: NodeJS.Timeout | undefined
  const flush = (): void => {
    clearTimeout(timer)
    timer = undefined
    const text = waiting
    waiting = ''
    writeAll(Buffer.from(text))
  }
  process.on('exit', flush)
  return {
    write(line) {
      waiting += line
      if (waiting.length >= WAIT_BYTES) flush()
      else timer ??= setTimeout(flush, WAIT_MS)
    },
  }
}

function writeAll(bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(1, bytes, at)
    } catch (error) {
      // A pipe that is full now has room in a moment; a reader that is gone has no use for the rest.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return
    }
  }
}
