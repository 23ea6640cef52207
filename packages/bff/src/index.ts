export { type Bff, startBff } from './bff.ts'
export { type BffConfig, bffVariables, readConfig } from './config.ts'
