export { workerIndex } from './messages.ts'
export { Primary } from './primary.ts'
export { serveAsWorker } from './worker.ts'
