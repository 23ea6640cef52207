import type { Context } from './context.ts'

/** Sets headers as Koa's `set` does, for answers of every request: that builds two lists for each header. */
export function setHeaders({ res }: Pick<Context, 'res'>, headers: Readonly<Record<string, string>>): void {
  if (res.headersSent) return
  for (const name in headers) {
    const value = headers[name]
    if (value !== undefined) res.setHeader(name, value)
  }
}

/** Answers with JSON, as Koa does with an object for a body. */
export function answerJson(context: Context, value: object): void {
  setHeaders(context, { 'content-type': 'application/json; charset=utf-8' })
  context.body = JSON.stringify(value)
}
