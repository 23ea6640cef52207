import { createReadStream } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { FerryError } from '@llm-ferry/sdk'
import type { Middleware } from '../context.ts'
import { openApiDocument } from '../openapi/document.ts'

const ASSETS = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'))

/** What the page loads, all of it from here: pages in China must not wait for a CDN elsewhere. */
const FILES: Readonly<Record<string, string>> = {
  'swagger-ui.css': 'text/css',
  'swagger-ui-bundle.js': 'text/javascript',
}

// The viewer sets styles from its script; nothing else may run or load.
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; " +
  "frame-ancestors 'none'"

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>LLM Ferry API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="page"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`

const START = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#page', deepLinking: true, validatorUrl: null })\n`

/** `GET /openapi.json` */
export function openApi(): Middleware {
  const document = JSON.stringify(openApiDocument())
  return async function openApi(context) {
    context.type = 'application/json'
    context.body = document
  }
}

/** `GET /docs` and the files it loads. */
export function docs(): Middleware {
  return async function docs(context) {
    const { file } = context.params as { file?: string }
    context.set('content-security-policy', POLICY)
    if (file === undefined) {
      context.type = 'text/html'
      context.body = PAGE
      return
    }
    serveFile(context, file)
  }
}

function serveFile(context: Parameters<Middleware>[0], file: string): void {
  if (file === 'start.js') {
    context.type = 'text/javascript'
    context.body = START
    return
  }
  const type = Object.hasOwn(FILES, file) ? FILES[file] : undefined
  if (type === undefined) throw new FerryError('not_found', `There is no ${context.path}`)
  context.set('cache-control', 'public, max-age=86400')
  context.type = type
  context.body = createReadStream(join(ASSETS, file))
}
