import { describe, expect, it } from 'vitest'
import { DIALECTS, requestBytes } from '../../testkit/dialects.ts'
import { RawClient } from '../../testkit/raw-client.ts'
import { RELAY_TOKEN } from '../../testkit/services.ts'
import { relayRig } from '../rig.ts'

// The story of all of these: two servers in a row that disagree where a request ends. The attacker hides a second
// request behind the first; the front server takes it for body, the back server answers it, on a connection it shares
// with other callers, with the vendor's key, past every check (RFC 9112 section 11.2). Whatever is ambiguous must be
// refused, and the connection closed, because what follows on it cannot be trusted either.

const HIDDEN = 'GET /proxy/openai/v1/hidden HTTP/1.1\r\nHost: relay.test\r\n\r\n'
const AUTH = `Authorization: Bearer ${RELAY_TOKEN}\r\nContent-Type: application/json\r\n`
const START = `POST /proxy/openai/v1/chat/completions HTTP/1.1\r\nHost: relay.test\r\n${AUTH}`

describe('request smuggling', () => {
  const rig = relayRig()

  /** Sends the bytes and gives the relay time to answer all that it believes to have seen. */
  async function attack(bytes: string): Promise<RawClient> {
    const client = await RawClient.connect(rig.relay.port)
    await client.send(Buffer.from(bytes, 'latin1'))
    await client.ended(400)
    client.destroy()
    return client
  }

  const REFUSED: Readonly<Record<string, string>> = {
    // The front server goes by Content-Length, the back server by chunks (CL.TE): the rest of the body is a request.
    'CL.TE': `${START}Content-Length: ${5 + HIDDEN.length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
    // The other way round (TE.CL): the chunk's content is a request to a server that stops after 4 bytes.
    'TE.CL': `${START}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n${HIDDEN.length.toString(16)}\r\n${HIDDEN}\r\n0\r\n\r\n`,
    // Both know chunks, one of them not in this disguise (TE.TE).
    'TE.TE: xchunked': `${START}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
    'TE.TE: chunked not last': `${START}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${HIDDEN}`,
    'TE.TE: space before the colon': `${START}Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${HIDDEN}`,
    'TE.TE: vertical tab': `${START}Transfer-Encoding: \x0bchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${HIDDEN}`,
    'TE.TE: two headers': `${START}Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n${HIDDEN}`,
    'TE.TE: hidden behind a bare LF': `${START}X-A: b\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${HIDDEN}`,
    'TE.TE: hidden behind a bare CR': `${START}X-A: b\rTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${HIDDEN}`,
    // HTTP/1.0 knows no chunks, so a server that goes by the version sees another body (RFC 9112 section 6.1).
    'chunks in HTTP/1.0': `${START.replace('1.1', '1.0')}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${HIDDEN}`,
    // Two lengths: which one counts?
    'two lengths': `${START}Content-Length: 2\r\nContent-Length: ${2 + HIDDEN.length}\r\n\r\n{}${HIDDEN}`,
    'two equal lengths in one header': `${START}Content-Length: 2, 3\r\n\r\n{}${HIDDEN}`,
    // Lengths that atoi, strtol and Number() read differently.
    'length with a plus': `${START}Content-Length: +2\r\n\r\n{}${HIDDEN}`,
    'length in hexadecimal': `${START}Content-Length: 0x2\r\n\r\n{}${HIDDEN}`,
    'negative length': `${START}Content-Length: -1\r\n\r\n{}${HIDDEN}`,
    'length with a space': `${START}Content-Length: 2 2\r\n\r\n{}${HIDDEN}`,
    'empty length': `${START}Content-Length: \r\n\r\n{}${HIDDEN}`,
    'length beyond 64 bits': `${START}Content-Length: 18446744073709551618\r\n\r\n{}${HIDDEN}`,
    // A header continued on the next line (obs-fold): part of the value to one, a header of its own to another.
    'obs-fold': `${START}X-A: b\r\n Content-Length: 100\r\nContent-Length: 2\r\n\r\n{}`,
    'obs-fold before the first header': `POST /proxy/openai/v1/x HTTP/1.1\r\n Host: relay.test\r\n${AUTH}\r\n`,
    // Line ends that not everyone takes for line ends.
    'bare LF between headers': `${START}X-A: b\nContent-Length: 2\r\n\r\n{}`,
    'bare LF at the end of the head': `${START}Content-Length: 2\r\n\n{}`,
    'bare CR in a value': `${START}X-A: b\rX-B: c\r\nContent-Length: 2\r\n\r\n{}`,
    'NUL in a value': `${START}X-A: b\0c\r\nContent-Length: 2\r\n\r\n{}`,
    'NUL in a name': `${START}X\0A: b\r\nContent-Length: 2\r\n\r\n{}`,
    'header without a colon': `${START}Garbage\r\nContent-Length: 2\r\n\r\n{}`,
    'header without a name': `${START}: b\r\nContent-Length: 2\r\n\r\n{}`,
    'space before the colon': `${START}Content-Length : 2\r\n\r\n{}`,
    // Chunk sizes that are read differently, or wrap around.
    'chunk size beyond 64 bits': `${START}Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\n{}\r\n0\r\n\r\n${HIDDEN}`,
    'chunk size with 0x': `${START}Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n${HIDDEN}`,
    'negative chunk size': `${START}Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n${HIDDEN}`,
    'chunk longer than its size': `${START}Transfer-Encoding: chunked\r\n\r\n2\r\n{}xx\r\n0\r\n\r\n${HIDDEN}`,
    // TERM.EXT (Jeppe Bonde Weikop, 2025): a bare LF ends the chunk extension for one server, not for the other.
    'bare LF in a chunk extension': `${START}Transfer-Encoding: chunked\r\n\r\n2;x\n{}\r\n0\r\n\r\n${HIDDEN}`,
    'bare LF after a chunk': `${START}Transfer-Encoding: chunked\r\n\r\n2\r\n{}\n0\r\n\r\n${HIDDEN}`,
    // HTTP/0.9 has no headers, so no credential and no Host.
    'HTTP/0.9': 'GET /proxy/openai/v1/models\r\n\r\n',
    'unknown version': `${START.replace('HTTP/1.1', 'HTTP/3.7')}\r\n`,
    'space in the target': `${START.replace('completions', 'comple tions')}Content-Length: 2\r\n\r\n{}`,
  }

  for (const [story, bytes] of Object.entries(REFUSED)) {
    it(`refuses ${story}`, async () => {
      const client = await attack(bytes)
      const seen = rig.vendor.requests.map(({ method, target }) => `${method} ${target}`)
      expect(seen, 'the vendor was reached').not.toContain('GET /v1/hidden')
      expect(rig.vendor.requests.filter(({ isComplete }) => isComplete)).toEqual([])
      expect(client.responses.map(({ status }) => status).filter((status) => status < 400 || status > 431)).toEqual([])
      expect(client.ending, 'the connection must not be used again').not.toBe('open')
    })
  }

  // What a lenient server would take for a body, a strict one takes for the next request. That one stands on its own
  // feet: it needs a credential of its own.
  it('checks each request of a pipeline for itself', async () => {
    const first = requestBytes({
      target: '/proxy/openai/v1/chat/completions',
      headers: [DIALECTS.openai.credential],
      body: DIALECTS.openai.body,
    })
    const client = await RawClient.connect(rig.relay.port)
    await client.send(Buffer.concat([first, Buffer.from(HIDDEN), first]))
    const answers = await client.answered(3)
    client.destroy()
    expect(answers.map(({ status }) => status)).toEqual([200, 401, 200])
    expect(rig.vendor.requests.map(({ target }) => target)).toEqual(['/v1/chat/completions', '/v1/chat/completions'])
  })

  // A body on a method that "has none": a proxy that forwards it without its framing makes it the next request.
  it.each(['GET', 'DELETE', 'HEAD', 'OPTIONS'])('keeps the body of %s in its frame', async (method) => {
    const client = await RawClient.connect(rig.relay.port, { method })
    await client.send(
      requestBytes({ method, target: '/proxy/openai/v1/files/f', headers: [DIALECTS.openai.credential], body: HIDDEN }),
    )
    await client.answered()
    client.destroy()
    expect(rig.vendor.requests.map(({ target }) => target)).toEqual(['/v1/files/f'])
    expect(rig.vendor.only.body.toString()).toBe(HIDDEN)
  })

  // A valid chunked body with extensions and odd chunk sizes comes out as the same bytes, in a frame of our making.
  it('reframes a chunked body', async () => {
    const body = DIALECTS.openai.body
    const chunks = [...body].map((letter) => `1;ext="a;b"\r\n${letter}\r\n`).join('')
    const client = await RawClient.connect(rig.relay.port)
    await client.send(`${START}Transfer-Encoding: chunked\r\n\r\n${chunks}0\r\nX-Trailer: 1\r\n\r\n`)
    const [answer] = await client.answered()
    client.destroy()
    expect(answer?.status).toBe(200)
    expect(rig.vendor.only.body.toString()).toBe(body)
    expect(rig.vendor.only.text).not.toContain('ext=')
  })
})
