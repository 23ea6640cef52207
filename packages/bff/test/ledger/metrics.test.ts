import { createRegistry } from '@llm-ferry/kit'
import { expect, it } from 'vitest'
import { createSpendMeter } from '../../src/ledger/metrics.ts'

it('adds up dollars by vendor and model, and counts what has no price', async () => {
  const registry = createRegistry()
  const spent = createSpendMeter(registry)
  spent({ vendor: 'openai', model: 'gpt-5.4', costNanos: 1_500_000_000 })
  spent({ vendor: 'openai', model: 'gpt-5.4', costNanos: 250_000_000 })
  spent({ vendor: 'openai', model: 'free', costNanos: 0 })
  spent({ vendor: 'gemini', model: 'new', costNanos: null })
  const page = await registry.metrics()
  expect(page).toContain('ferry_cost_usd_total{vendor="openai",model="gpt-5.4"} 1.75')
  expect(page).not.toContain('free')
  expect(page).toContain('ferry_unpriced_calls_total{vendor="gemini"} 1')
})

it('tells a hundred models apart, whatever callers name', async () => {
  const registry = createRegistry()
  const spent = createSpendMeter(registry)
  for (let i = 0; i < 150; i++) spent({ vendor: 'openai', model: `gpt-${i}`, costNanos: 1e9 })
  spent({ vendor: 'openai', model: 'gpt-7', costNanos: 1e9 })
  const page = await registry.metrics()
  expect(page.match(/^ferry_cost_usd_total\{/gm)).toHaveLength(101)
  expect(page).toContain('ferry_cost_usd_total{vendor="openai",model="other"} 50')
  expect(page).toContain('ferry_cost_usd_total{vendor="openai",model="gpt-7"} 2')
})
