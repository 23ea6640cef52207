// The speech engine's stand-in: espeak-ng where it is installed, else only the text. Swap in your own.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

/** Turns one sentence into sound; gives the file, or nothing where there is no engine. */
export type Voice = (sentence: string, index: number, signal: AbortSignal) => Promise<string | undefined>

export function chooseVoice(folder: string): Voice {
  return spawnSync('espeak-ng', ['--version']).error ? async () => undefined : espeak(folder)
}

function espeak(folder: string): Voice {
  return async (sentence, index, signal) => {
    const file = join(folder, `${String(index).padStart(3, '0')}.wav`)
    const voice = /\p{Script=Han}/u.test(sentence) ? 'cmn' : 'en'
    // The text goes through stdin: what a model wrote must not become an option.
    const child = spawn('espeak-ng', ['-v', voice, '-w', file, '--stdin'], {
      signal,
      stdio: ['pipe', 'ignore', 'inherit'],
    })
    child.stdin.end(sentence)
    const [code] = await once(child, 'close')
    if (code !== 0) throw new Error(`espeak-ng ended with code ${code}`)
    return file
  }
}
