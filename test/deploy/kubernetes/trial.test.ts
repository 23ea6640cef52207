import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bridge, portTo } from './bridge.ts'
import { copyOfDeploy, type DeployCopy, kubernetesTools, type Manifest, manifest, manifestsOf } from './manifests.ts'
import { type Pod, startPod } from './pod.ts'
import { routeTo } from './services.ts'

// The overlay `trial`, as docs/deploy/kubernetes.md has it run: Redis, vendor, a relay host and a BFF.

describe('the Pods of trial', () => {
  let folder: string
  let copy: DeployCopy
  let objects: readonly Manifest[]
  let key: string
  let way: Bridge
  const pods: Pod[] = []

  const start = async (kind: 'StatefulSet' | 'Deployment', name: string, services: readonly string[]): Promise<Pod> => {
    const { template, volumeClaimTemplates = [] } = manifest(objects, kind, name).spec
    const pod = await startPod({
      name: kind === 'StatefulSet' ? `${name}-0` : name,
      spec: template.spec,
      objects,
      folder,
      routes: services.map((service) => routeTo(objects, service, folder)),
      claims: volumeClaimTemplates.map(({ metadata }: Manifest) => metadata.name),
    })
    pods.push(pod)
    return pod
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ferry-trial-'))
    copy = copyOfDeploy(await kubernetesTools())
    const trial = join(copy.folder, 'kubernetes/overlays/trial')
    const said = execFileSync(join(trial, 'prepare'), { encoding: 'utf8' })
    key = /^the trial's key: (\w+)$/m.exec(said)?.[1] ?? ''
    objects = manifestsOf(copy.render('overlays/trial'))
    await start('StatefulSet', 'redis', [])
    await start('Deployment', 'vendor', [])
    await start('StatefulSet', 'relay', ['vendor'])
    const bff = await start('Deployment', 'bff', ['relay-0', 'redis'])
    way = await portTo(bff.socket(8080))
  }, 120_000)
  afterAll(async () => {
    await Promise.all(pods.map((pod) => pod.kill()))
    void way?.stop()
    copy?.remove()
    rmSync(folder, { recursive: true, force: true })
  })

  const ask = async (stream: boolean): Promise<string> => {
    const answer = await fetch(`http://127.0.0.1:${way.port}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'openai/trial', stream, messages: [{ role: 'user', content: 'Hello' }] }),
    })
    expect(answer.status).toBe(200)
    return answer.text()
  }

  it('stream a chat to its end', async () => {
    const text = await ask(true)
    expect(text).toContain('你好')
    expect(text.trim().endsWith('data: [DONE]')).toBe(true)
  })

  it('answer a chat whole', async () => {
    expect(JSON.parse(await ask(false)).choices[0].message.content).toMatch(/^你好.* relay\.$/)
  })

  it('count calls in a Redis whose file is on its claim', () => {
    const log = pods
      .find(({ name }) => name === 'bff')
      ?.container('bff')
      .log()
    expect(log).not.toMatch(/in-process|"level":"(warn|error)"/)
    const file = join(folder, 'data-redis-0/appendonlydir')
    const written = execFileSync('sh', ['-c', `cat ${file}/*.incr.aof`], { encoding: 'latin1' })
    expect(written).toContain('trial')
  })

  it('keep what ./prepare made, when it is run again', () => {
    const secrets = join(copy.folder, 'kubernetes/overlays/trial/secrets/bff.env')
    const before = readFileSync(secrets, 'utf8')
    execFileSync(join(copy.folder, 'kubernetes/overlays/trial/prepare'))
    expect(readFileSync(secrets, 'utf8')).toBe(before)
  })
})
