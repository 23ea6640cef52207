import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ScriptedVendor } from '../../testkit/scripted-vendor.ts'
import { RELAY_TOKEN, relayEnv, type Service, startRelay, VENDOR_KEYS, type Vendor } from '../../testkit/services.ts'
import { answerHeaders, CALL_HEADER, type Observation, observe, plain, unordered } from './compare.ts'
import { startGenericVendor } from './generic-vendor.ts'
import { type Method, plausibleArguments, resourceMethods } from './methods.ts'

/** A vendor SDK that Stainless generates, and what its methods need. */
export interface StainlessSuite {
  readonly vendor: Vendor
  /** A client with that base URL prefix, key and headers, without retries. */
  readonly client: (base: string, key: string, headers?: Record<string, string>) => object
  /** Members of every body and query. */
  readonly fields: Readonly<Record<string, unknown>>
  /** Further members for single methods. */
  readonly special?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  /** Methods that send nothing, with the reason. */
  readonly local: Readonly<Record<string, string>>
  /** Fewest methods that the walk must find, so that it cannot silently find none. */
  readonly atLeast: number
}

/** A call of the matrix: a method, and whether it asks for a stream. */
interface Call {
  readonly title: string
  readonly name: string
  readonly streamed: boolean
}

const FILE = { name: 'grüße "1".jsonl', bytes: Buffer.from([0, 13, 10, 45, 45, 255, 128, 10]) }

/** Runs every resource method of a client directly and through the relay, and compares both ends. */
export function stainlessMatrix({ vendor: name, client, fields, special = {}, local, atLeast }: StainlessSuite): void {
  const calls = allCalls(client('http://127.0.0.1:9', 'key'))

  describe(`every resource method of the ${name} SDK`, () => {
    let vendor: ScriptedVendor
    let relay: Service
    let runs = 0

    beforeAll(async () => {
      vendor = await startGenericVendor(name)
      relay = await startRelay(relayEnv(vendor.origin))
    })
    afterAll(async () => {
      await relay?.stop()
      await vendor?.stop()
    })

    const run = async (base: string, key: string, call: Call): Promise<Observation> => {
      const tag = `call-${++runs}`
      const method = resourceMethods(client(base, key, { [CALL_HEADER]: tag })).find((each) => each.name === call.name)
      if (!method) throw new Error(`no method ${call.name}`)
      const members = {
        ...fields,
        ...(isMultipart(method) ? multipartFields() : {}),
        ...(call.streamed ? { stream: true } : {}),
        ...special[call.name],
      }
      return observe(vendor, tag, () => withHeaders(method.call(...plausibleArguments(method, members))))
    }
    const direct = (call: Call): Promise<Observation> => run(vendor.origin, VENDOR_KEYS[name], call)
    const relayed = (call: Call): Promise<Observation> => run(`${relay.origin}/proxy/${name}`, RELAY_TOKEN, call)

    it('walks them all', () => {
      expect(calls.length).toBeGreaterThan(atLeast)
    })

    for (const call of calls) {
      it(call.title, async () => {
        const expected = await direct(call)
        if (expected.requests.length === 0) {
          expect(Object.keys(local), `sends nothing: ${JSON.stringify(expected.result)}`).toContain(call.name)
          return
        }
        expect(expected.result, 'the vendor made the direct call hang').not.toHaveProperty('hung')
        expect(unordered(await relayed(call))).toEqual(unordered(expected))
      })
    }

    it('passes headers in their order and letter case', async () => {
      const call = calls.find((each) => /(completions|messages)\.create$/.test(each.name))
      if (!call) throw new Error('no such call')
      const visible = ({ requests }: Observation): unknown =>
        requests.map(({ headers }) => headers.filter(([header]) => !/^(host|credential|content-length)$/i.test(header)))
      expect(visible(await relayed(call))).toEqual(visible(await direct(call)))
    })
  })
}

function allCalls(client: object): readonly Call[] {
  return resourceMethods(client).flatMap(({ name, source }) => {
    const plainCall = { title: name, name, streamed: false }
    return /stream\b/.test(source) && !/\.stream$/.test(name)
      ? [plainCall, { title: `${name} as a stream`, name, streamed: true }]
      : [plainCall]
  })
}

const isMultipart = ({ source }: Method): boolean => /multipartFormRequestOptions|[uU]pload|file/.test(source)

const multipartFields = (): Readonly<Record<string, unknown>> => {
  const file = (): File => new File([FILE.bytes], FILE.name, { type: 'application/octet-stream' })
  return { file: file(), image: file(), data: file(), files: [file(), file()] }
}

/** What an SDK's promise gives with the response's headers, where it can tell them. */
async function withHeaders(pending: unknown): Promise<unknown> {
  if (typeof pending !== 'object' || pending === null) return pending
  if ('withResponse' in pending && typeof pending.withResponse === 'function' && 'then' in pending) {
    const { data, response } = await pending.withResponse()
    return { data: await plain(data), headers: answerHeaders(response.headers), status: response.status }
  }
  if ('done' in pending && typeof pending.done === 'function' && !(Symbol.asyncIterator in pending)) {
    await pending.done()
  }
  return plain(await pending)
}
