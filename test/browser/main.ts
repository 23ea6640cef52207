// Runs the scenarios where there is a console: Node, Bun, Deno.
import { scenarios } from './scenarios.ts'

const { FERRY_URL = '', FERRY_KEY = '' } = process.env
console.log(JSON.stringify(await scenarios({ baseURL: FERRY_URL, apiKey: FERRY_KEY })))
