import { join } from 'node:path'
import { type ContainerSpec, type Manifest, manifest, type PodSpec } from './manifests.ts'
import { portOf, type Route } from './pod.ts'

const OF_POD = 'statefulset.kubernetes.io/pod-name'

/**
 * Where a Service leads, by its selector and its target port.
 *
 * @param host the name that callers use. Default: the Service's own, as within its namespace.
 * @param folder that the Pods' own are in, each named as its Pod: `NAME-0` of a StatefulSet, `NAME` of a Deployment.
 */
export function routeTo(objects: readonly Manifest[], service: string, folder: string, host: string = service): Route {
  const { selector, ports } = manifest(objects, 'Service', service).spec
  const [{ port, targetPort }] = ports
  const { [OF_POD]: ofPod, ...wanted } = selector as Record<string, string>
  const workload = objects.find(({ kind, spec }) => {
    const labels: Record<string, string> = spec?.template?.metadata.labels ?? {}
    return (
      /^(StatefulSet|Deployment)$/.test(kind) && Object.entries(wanted).every(([key, value]) => labels[key] === value)
    )
  })
  if (workload === undefined) throw new Error(`the Service ${service} leads to no Pod`)
  const { initContainers = [], containers } = workload.spec.template.spec as PodSpec
  const hasPort = ({ ports: its = [] }: ContainerSpec): boolean => its.some(({ name }) => name === targetPort)
  const container = [...initContainers, ...containers].find(hasPort)
  if (container === undefined) throw new Error(`the Service ${service} leads to a port that no container has`)
  const pod = ofPod ?? (workload.kind === 'StatefulSet' ? `${workload.metadata.name}-0` : workload.metadata.name)
  return { host, port, socket: join(folder, pod, `${portOf(container, targetPort)}.sock`) }
}
