// Whether the service in this container answers: exit code 0 or 1. `healthcheck.mjs /ready` asks whether it takes new
// calls. Without curl, which the image does not have, and without fetch, which takes longer to load than to answer.
import { request as http } from 'node:http'
import { request as https } from 'node:https'

const TIMEOUT_MS = 2500
const { PORT: port, TLS_CERT_FILE } = process.env
const [, , path = '/health'] = process.argv

const ask = TLS_CERT_FILE ? https : http
// The certificate is for the name that callers use, not for the loopback address.
const options = { host: '127.0.0.1', port, path, timeout: TIMEOUT_MS, rejectUnauthorized: false }
const question = ask(options, ({ statusCode }) => process.exit(statusCode === 200 ? 0 : 1))
question.on('timeout', () => process.exit(1))
question.on('error', () => process.exit(1))
question.end()
