import type { Cluster, Redis } from 'ioredis'

/** What a process hears on Redis channels, over one connection that is made when it is first asked for. */
export class RedisSubscriptions {
  readonly #connect: () => Redis | Cluster
  readonly #onError: (error: Error) => void
  readonly #listeners = new Map<string, Set<(message: string) => void>>()
  #client: Redis | Cluster | undefined

  constructor(connect: () => Redis | Cluster, onError: (error: Error) => void) {
    this.#connect = connect
    this.#onError = onError
  }

  add(channel: string, heard: (message: string) => void): () => void {
    const listeners = this.#listeners.get(channel) ?? new Set()
    this.#listeners.set(channel, listeners)
    listeners.add(heard)
    this.#client ??= this.#open()
    if (this.#client.status === 'ready') this.#subscribe(this.#client, channel)
    return () => void listeners.delete(heard)
  }

  close(): void {
    this.#client?.disconnect()
  }

  #subscribe(client: Redis | Cluster, channel: string): void {
    client.subscribe(channel).catch(this.#onError)
  }

  #open(): Redis | Cluster {
    const client = this.#connect()
    client.on('error', this.#onError)
    // Without a connection a command fails at once; with each new one all channels are asked for.
    client.on('ready', () => {
      for (const channel of this.#listeners.keys()) this.#subscribe(client, channel)
    })
    client.on('message', (channel: string, message: string) => {
      for (const heard of this.#listeners.get(channel) ?? []) heard(message)
    })
    return client
  }
}
