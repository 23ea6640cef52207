/** The normalized chat: OpenAI's Chat Completions on the wire, for every vendor. */
export * from './content.ts'
export * from './message.ts'
export * from './request.ts'
export * from './response.ts'
export * from './tool.ts'
export * from './usage.ts'
