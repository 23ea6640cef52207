import type { Ferry } from '@llm-ferry/sdk'
import { FerryError } from '@llm-ferry/sdk'

/** Streams one chat to the terminal, with the time to its first token and the route it took. */
export async function showChat(ferry: Ferry, vendor: string, model: string, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  process.stdout.write(`${vendor}/${model} › `)
  const startedAt = performance.now()
  let firstTokenMs: number | undefined
  try {
    const messages = [{ role: 'user' as const, content: '用一句话介绍你自己。 Introduce yourself in one sentence.' }]
    const stream = ferry.chat.stream({ model: `${vendor}/${model}`, messages }, { signal })
    for await (const event of stream) {
      if (event.type !== 'text-delta') continue
      firstTokenMs ??= performance.now() - startedAt
      process.stdout.write(event.text)
    }
    const { relay, attempts } = await stream.meta
    process.stdout.write(
      `\n  first token after ${firstTokenMs?.toFixed(0) ?? '–'} ms, SDK → BFF → relay ${relay} → ${vendor}, attempts: ${attempts}\n`,
    )
  } catch (error) {
    if (signal.aborted) return
    if (!FerryError.is(error)) throw error
    process.stdout.write(`\n  failed: ${error.code}: ${error.message} (request ${error.requestId ?? 'without id'})\n`)
  }
}
