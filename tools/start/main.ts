// `npm start`: relay and BFF, in front of the real vendors where keys are set and of a local sandbox otherwise; then one
// streamed chat with each vendor through the SDK, and the services stay up.
import { ConfigError } from '@llm-ferry/kit'
import { createFerry } from '@llm-ferry/sdk'
import { showChat } from './chat.ts'
import { planStart, type StartPlan, VENDORS } from './plan.ts'
import { requireFreePort } from './ports.ts'
import { type Sandbox, startSandbox } from './sandbox.ts'
import { type Service, startService } from './service.ts'

const running: { stop(): Promise<void> }[] = []
const leaving = new AbortController()

async function main(): Promise<void> {
  const plan = planStart(process.env)
  await requireFreePort(plan.relayPort, 'RELAY_PORT')
  await requireFreePort(plan.bffPort, 'BFF_PORT')
  const sandbox = plan.sandboxed.length > 0 ? keep(await startSandbox()) : undefined
  const relay = keep(startService('relay', plan.relayEnv(sandbox?.url), stopAll))
  const bff = keep(startService('bff', plan.bffEnv(), stopAll))
  await Promise.all([relay.ready, bff.ready])
  say(banner(plan, sandbox, relay, bff))
  const ferry = createFerry({ baseURL: plan.bffUrl, apiKey: plan.bffKey })
  for (const vendor of VENDORS) await showChat(ferry, vendor, plan.models[vendor], leaving.signal)
  if (!leaving.signal.aborted) say(invitation(plan))
}

function banner(plan: StartPlan, sandbox: Sandbox | undefined, relay: Service, bff: Service): string {
  const vendors = VENDORS.map((vendor) => `${vendor}: ${plan.sandboxed.includes(vendor) ? 'sandbox' : 'real'}`).join(
    ', ',
  )
  return [
    '',
    `  relay    ${plan.relayUrl}   log: ${relay.logFile}`,
    `  bff      ${plan.bffUrl}   log: ${bff.logFile}`,
    ...(sandbox ? [`  sandbox  ${sandbox.url}`] : []),
    `  vendors  ${vendors}`,
    ...(sandbox ? [`           set ${plan.missingKeys.join(', ')} in the environment or .env for the real ones`] : []),
    '',
  ].join('\n')
}

function invitation({ bffUrl, bffKey, relayUrl, relayToken, models }: StartPlan): string {
  const body = JSON.stringify({
    model: `openai/${models.openai}`,
    stream: true,
    messages: [{ role: 'user', content: 'Hello' }],
  })
  return [
    '',
    'Try it:',
    '',
    `  curl -N ${bffUrl}/v1/chat/completions -H 'authorization: Bearer ${bffKey}' -H 'content-type: application/json' -d '${body}'`,
    '',
    'For the examples and the README’s samples:',
    '',
    `  export FERRY_URL=${bffUrl} FERRY_KEY=${bffKey} RELAY_URL=${relayUrl} RELAY_TOKEN=${relayToken}`,
    '',
    'Vendor SDKs at the relay:',
    '',
    `  new OpenAI({ baseURL: '${relayUrl}/proxy/openai/v1', apiKey: '${relayToken}' })`,
    `  new Anthropic({ baseURL: '${relayUrl}/proxy/anthropic', apiKey: '${relayToken}' })`,
    `  new GoogleGenAI({ apiKey: '${relayToken}', apiVersion: 'v1beta', httpOptions: { baseUrl: '${relayUrl}/proxy/gemini' } })`,
    '',
    'Serving. Ctrl-C stops everything.',
  ].join('\n')
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

function keep<T extends { stop(): Promise<void> }>(part: T): T {
  running.push(part)
  return part
}

/** Ends everything that was started, what came last first, then this process. */
async function stopAll(code: number): Promise<void> {
  if (leaving.signal.aborted) return
  leaving.abort()
  for (const part of running.reverse()) await part.stop()
  process.exit(code)
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  // One Ctrl-C arrives twice: from the terminal, and from the npm script in front of us.
  process.once(signal, () => {
    say('\nStopping …')
    void stopAll(0)
  })
  process.on(signal, () => {})
}
// Whoever read our output has gone, as in `npm start | head`.
process.stdout.on('error', () => void stopAll(0))

try {
  await main()
} catch (error) {
  if (leaving.signal.aborted) await new Promise(() => {})
  const lines =
    error instanceof ConfigError
      ? error.faults
      : [error instanceof Error ? (error.stack ?? error.message) : String(error)]
  for (const line of lines) process.stderr.write(`llm-ferry: ${line}\n`)
  await stopAll(1)
}
