import { Asker } from '../http.ts'
import { checkClock } from './clock.ts'
import { type Finding, findings, reasonOf } from './finding.ts'

/** The BFF as an application sees it. */
export async function checkBff(url: URL, key: string | undefined): Promise<readonly Finding[]> {
  const { ok, warn, fail } = findings('bff', url.host)
  const asker = new Asker(url)
  try {
    const ready = await asker.ask('/ready').catch(reasonOf)
    if (typeof ready === 'string')
      return [fail(`no answer (${ready})`, 'start the BFF: its log says why it does not; correct FERRY_URL')]
    if (ready.status !== 200)
      return [warn(`/ready answers ${ready.status}`, 'it is about to stop, or something else listens there')]
    const health = await asker.ask('/health').catch(reasonOf)
    const clock = typeof health === 'string' ? [] : [checkClock(url.host, health, 'the BFF')]
    if (key === undefined) return [ok('takes new requests'), ...clock]
    const models = await asker.ask('/v1/models', { headers: { authorization: `Bearer ${key}` } }).catch(reasonOf)
    if (typeof models === 'string') return [fail(`/v1/models is not answered (${models})`, 'read the BFF’s log')]
    if (models.status === 401)
      return [fail('the BFF does not know FERRY_KEY', 'copy the key, without its name, from BFF_KEYS')]
    if (models.status !== 200)
      return [fail(`/v1/models answers ${models.status}`, 'read the BFF’s log by the request’s id')]
    return [ok('takes new requests, and knows FERRY_KEY'), ...clock]
  } finally {
    asker.close()
  }
}
