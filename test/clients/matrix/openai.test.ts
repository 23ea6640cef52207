import OpenAI from 'openai'
import { stainlessMatrix } from './stainless.ts'

stainlessMatrix({
  vendor: 'openai',
  client: (base, key, headers) =>
    new OpenAI({
      baseURL: `${base}/v1`,
      apiKey: key,
      adminAPIKey: key,
      maxRetries: 0,
      ...(headers ? { defaultHeaders: headers } : {}),
      organization: 'org-1',
      project: 'p-1',
    }),
  fields: {
    model: 'gpt-x',
    messages: [{ role: 'user', content: 'Grüße 你好 \u{1F6A2}' }],
    input: 'Grüße',
    tools: [],
    thread_id: 'thread_1',
    environment_id: 'env_1',
    metadata: { 'a b': 'c&d', e: 'f' },
    include: ['one', 'two[]'],
    limit: 2,
    after: 'cursor+/=',
  },
  special: { 'beta.agents.environments.files.upload': { path: '/workspace/a b.txt' } },
  local: {
    'webhooks.unwrap': 'checks a signature',
    'webhooks.verifySignature': 'checks a signature',
    'beta.agents.environments.files.prepare': 'describes a file',
    'beta.agents.sessions.artifacts.forResult': 'makes a reader',
  },
  atLeast: 250,
})
