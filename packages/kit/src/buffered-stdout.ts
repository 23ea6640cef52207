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
  const waiting = Buffer.allocUnsafeSlow(WAIT_BYTES)
  let used = 0
  let timer: NodeJS.Timeout | undefined
  const flush = (): void => {
    clearTimeout(timer)
    timer = undefined
    writeAll(waiting.subarray(0, used))
    used = 0
  }
  process.on('exit', flush)
  return {
    write(line) {
      // A character takes up to three bytes.
      const most = line.length * 3
      if (used + most > WAIT_BYTES) flush()
      if (most > WAIT_BYTES) {
        writeAll(Buffer.from(line))
        return
      }
      used += waiting.write(line, used)
      timer ??= setTimeout(flush, WAIT_MS)
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
