import { readFileSync } from 'node:fs'
import { bffVariables } from '@llm-ferry/bff'
import { relayVariables } from '@llm-ferry/relay'
import { expect, it } from 'vitest'
import { envExample } from '../../tools/env-example.ts'

it('.env.example is what the services’ tables say (node tools/env-example.ts writes it)', () => {
  expect(readFileSync(new URL('../../.env.example', import.meta.url), 'utf8')).toBe(envExample())
})

it('every variable says what it is', () => {
  for (const [name, { doc }] of Object.entries({ ...relayVariables, ...bffVariables })) expect(doc, name).toMatch(/\.$/)
})
