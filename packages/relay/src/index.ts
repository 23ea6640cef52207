export { type Limits, type RelayConfig, readRelayConfig, relayVariables, type Timeouts } from './config.ts'
export { createRelay, type Relay, type RelayDeps } from './relay.ts'
