import { DIALECTS } from '../../testkit/dialects.ts'
import type { Field } from '../../testkit/http-reader.ts'
import {
  afterBody,
  chunk,
  head,
  lastChunk,
  raw,
  type Script,
  ScriptedVendor,
  type Step,
} from '../../testkit/scripted-vendor.ts'
import type { Vendor } from '../../testkit/services.ts'

// What vendors really send around their bodies. Date is fixed, so that a proxy that makes up its own is seen.
const HEADERS: readonly Field[] = [
  ['date', 'Sun, 22 Nov 2026 08:00:00 GMT'],
  ['server', 'vendor/1.0'],
  ['x-request-id', 'req_vendor_1'],
  ['request-id', 'req_vendor_2'],
  ['openai-organization', 'org-1'],
  ['openai-processing-ms', '12'],
  ['x-ratelimit-remaining-requests', '99'],
  ['anthropic-workspace-id', 'ws_1'],
  ['cf-ray', 'abc-LAX'],
  ['vary', 'Origin'],
  ['vary', 'X-Origin'],
]

const object = {
  id: 'obj_1',
  object: 'thing',
  type: 'message',
  name: 'things/1',
  role: 'assistant',
  status: 'completed',
  processing_status: 'ended',
  stop_reason: 'end_turn',
  done: true,
  model: 'm',
  usage: { input_tokens: 1, output_tokens: 1 },
  content: [{ type: 'text', text: 'Grüße 你好' }],
  output: [],
  file_counts: { total: 1, completed: 1, in_progress: 0, failed: 0, cancelled: 0 },
  choices: [{ index: 0, message: { role: 'assistant', content: '{}' }, finish_reason: 'stop' }],
  candidates: [{ index: 0, finishReason: 'STOP', content: { role: 'model', parts: [{ text: 'Grüße 你好' }] } }],
  data: [{ id: 'd1', embedding: [0.5, -0.25], created_at: 1 }],
  embeddings: [{ values: [0.5] }],
  embedding: { values: [0.5] },
  files: [{ name: 'files/1' }],
  has_more: false,
  created_at: 1,
}

/** A vendor that answers every route with something that its SDK can read: JSON, bytes, an event stream or JSON lines. */
export async function startGenericVendor(vendor: Vendor): Promise<ScriptedVendor> {
  const started = await ScriptedVendor.start()
  started.script = genericScript(vendor, started.origin)
  return started
}

function genericScript(vendor: Vendor, origin: string): Script {
  return afterBody(({ method, target, headers, body }) => {
    const accept = headers.find(([name]) => name.toLowerCase() === 'accept')?.[1] ?? ''
    if (method === 'DELETE' && target.includes('204')) return [head(204, HEADERS)]
    if (target.includes('/results')) return lines()
    const upload = headers.find(([name]) => name.toLowerCase() === 'x-goog-upload-command')?.[1]
    if (upload)
      return resumableUpload(upload, `${origin}/upload/v1beta/files?upload_id=AB-c_1&upload_protocol=resumable`)
    if (/octet-stream|application\/binary|audio|video/.test(accept) || /alt=media/.test(target)) return binary()
    if (
      /"stream":true|name="stream"\r\n\r\ntrue/.test(body.toString('latin1')) ||
      /alt=sse|stream=true|\/stream/.test(target)
    ) {
      return events(vendor)
    }
    return answer(JSON.stringify({ ...object, status: finalStatus(target) }))
  })
}

// Helpers that poll stop at the status that is the last one of their kind of object.
const finalStatus = (target: string): string => (/^\/v1\/files\//.test(target) ? 'processed' : 'completed')

const answer = (body: string): readonly Step[] => [
  head(200, [...HEADERS, ['content-type', 'application/json'], ['content-length', String(Buffer.byteLength(body))]]),
  raw(body),
]

const chunked = (type: string): Step =>
  head(200, [...HEADERS, ['content-type', type], ['transfer-encoding', 'chunked']])

/** Gemini's upload in several requests: the first answer says where the next go, the others how far it got. */
const resumableUpload = (command: string, url: string): readonly Step[] => {
  const body = command === 'start' ? '' : JSON.stringify({ file: { name: 'files/1' } })
  const status = command.includes('finalize') ? 'final' : 'active'
  const headers: readonly Field[] = [
    ['content-type', 'application/json'],
    ['content-length', String(body.length)],
    ['x-goog-upload-status', status],
    ...(command === 'start' ? [['x-goog-upload-url', url] as const] : []),
  ]
  return [head(200, [...HEADERS, ...headers]), raw(body)]
}

const binary = (): readonly Step[] => [
  chunked('application/octet-stream'),
  chunk(Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))),
  chunk(Buffer.from('tail')),
  lastChunk(),
]

const lines = (): readonly Step[] => [
  chunked('application/x-jsonl'),
  chunk('{"custom_id":"a"}\n{"cus'),
  chunk('tom_id":"b"}\n'),
  lastChunk(),
]

const events = (vendor: Vendor): readonly Step[] => [
  chunked('text/event-stream; charset=utf-8'),
  ...DIALECTS[vendor].stream.map((event) => chunk(event)),
  lastChunk(),
]
