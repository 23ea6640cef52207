import Anthropic from '@anthropic-ai/sdk'
import { stainlessMatrix } from './stainless.ts'

stainlessMatrix({
  vendor: 'anthropic',
  client: (base, key, headers) =>
    new Anthropic({ baseURL: base, apiKey: key, maxRetries: 0, ...(headers ? { defaultHeaders: headers } : {}) }),
  fields: {
    model: 'claude-x',
    max_tokens: 16,
    messages: [{ role: 'user', content: 'Grüße 你好 \u{1F6A2}' }],
    tools: [],
    limit: 2,
    after_id: 'cursor+/=',
  },
  local: {
    'beta.messages.thread': 'makes a helper around messages.create',
    'beta.environments.work.poller': 'makes a helper around work.poll',
    'beta.environments.work.worker': 'makes a helper around work.poll',
    'beta.sessions.events.toolRunner': 'makes a helper around events.stream',
    'beta.webhooks.parseUnverified': 'reads a text',
    'beta.webhooks.unwrap': 'checks a signature',
  },
  atLeast: 50,
})
