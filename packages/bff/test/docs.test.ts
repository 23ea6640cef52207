import { Validator } from '@seriousme/openapi-schema-validator'
import { describe, expect, it } from 'vitest'
import { afterBody } from '../../../test/testkit/scripted-vendor.ts'
import { openApiDocument } from '../src/openapi/document.ts'
import { OPERATIONS } from '../src/openapi/operations.ts'
import { plainAnswer, startTestBff } from './support.ts'

describe('/openapi.json', () => {
  it('is a valid OpenAPI 3.1 document', async () => {
    const { origin } = await startTestBff(afterBody(() => plainAnswer()))
    const document = (await (await fetch(`${origin}/openapi.json`)).json()) as Record<string, unknown>
    expect(await new Validator().validate(document)).toMatchObject({ valid: true })
  })

  it('describes each field of a chat request', () => {
    const { components } = openApiDocument() as {
      components: { schemas: { ChatRequest: { properties: Record<string, { description?: string }> } } }
    }
    for (const [field, schema] of Object.entries(components.schemas.ChatRequest.properties)) {
      expect(schema.description, field).toBeTruthy()
    }
  })

  it('has no route that does not exist', async () => {
    const { origin } = await startTestBff(
      afterBody(() => plainAnswer()),
      { METRICS_TOKEN: 'metrics-token-0123456789', BFF_ADMIN_TOKEN: 'admin-token-0123456789' },
    )
    for (const { method, path } of OPERATIONS) {
      const response = await fetch(origin + path.replace('{vendor}', 'openai'), { method: method.toUpperCase() })
      expect(response.status, `${method} ${path}`).not.toBe(404)
    }
  })
})

describe('/docs', () => {
  it('is a page that loads nothing from elsewhere', async () => {
    const { origin } = await startTestBff(afterBody(() => plainAnswer()))
    const page = await fetch(`${origin}/docs`)
    const html = await page.text()
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self'")
    const files = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, url]) => url ?? '')
    expect(files).toHaveLength(3)
    for (const file of files) {
      expect(file).toMatch(/^\/docs\//)
      const asset = await fetch(origin + file)
      expect(asset.status).toBe(200)
      expect((await asset.text()).length).toBeGreaterThan(50)
    }
    expect((await fetch(`${origin}/docs/package.json`)).status).toBe(404)
    expect((await fetch(`${origin}/docs/..%2f..%2fpackage.json`)).status).toBe(404)
  })
})
