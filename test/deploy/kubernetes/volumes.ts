import { chmodSync, chownSync, existsSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Manifest, manifest, type PodSpec } from './manifests.ts'

/**
 * Writes a Secret or a ConfigMap as the kubelet does: files in a folder of their own, `..data` leading there, and a
 * symlink for each. Writing it again swaps `..data`, and so all files at once.
 */
export function writeProjected(
  folder: string,
  data: Readonly<Record<string, Buffer>>,
  group: number,
  mode = 0o644,
): void {
  mkdirSync(folder, { recursive: true })
  chmodSync(folder, 0o755)
  const version = `..${process.hrtime.bigint()}`
  mkdirSync(join(folder, version))
  chmodSync(join(folder, version), 0o755)
  for (const [name, bytes] of Object.entries(data)) {
    const file = join(folder, version, name)
    writeFileSync(file, bytes)
    chownSync(file, 0, group)
    chmodSync(file, mode)
    if (!existsSync(join(folder, name))) symlinkSync(join('..data', name), join(folder, name))
  }
  symlinkSync(version, join(folder, '..data.new'))
  renameSync(join(folder, '..data.new'), join(folder, '..data'))
}

/**
 * Makes a Pod's volumes below a folder and returns where each is.
 *
 * @param claims folder of those that outlive the Pod, by their names in `volumeClaimTemplates`.
 */
export function makeVolumes(
  folder: string,
  { volumes, securityContext }: PodSpec,
  claims: Readonly<Record<string, string>>,
  objects: readonly Manifest[],
): Readonly<Record<string, string>> {
  const group = securityContext.fsGroup ?? 0
  const made: Record<string, string> = {}
  for (const volume of volumes) {
    const place = join(folder, volume.name)
    made[volume.name] = place
    const { secret, configMap } = volume
    if (secret) {
      writeProjected(place, dataOf(objects, 'Secret', secret.secretName), group, secret.defaultMode)
    } else if (configMap) {
      const isThere = objects.some(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === configMap.name)
      if (!isThere && !configMap.optional) throw new Error(`there is no ConfigMap ${configMap.name}`)
      writeProjected(place, isThere ? dataOf(objects, 'ConfigMap', configMap.name) : {}, group)
    } else shared(place, group)
  }
  for (const [name, place] of Object.entries(claims)) {
    made[name] = place
    shared(place, group)
  }
  return made
}

// As the kubelet leaves a volume with fsGroup: root's, and writable for the group.
function shared(folder: string, group: number): void {
  mkdirSync(folder, { recursive: true })
  chownSync(folder, 0, group)
  chmodSync(folder, 0o2775)
}

function dataOf(objects: readonly Manifest[], kind: 'Secret' | 'ConfigMap', name: string): Record<string, Buffer> {
  const encoding = kind === 'Secret' ? 'base64' : 'utf8'
  const { data = {} } = manifest(objects, kind, name)
  return Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text, encoding)]))
}
