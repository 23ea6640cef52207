import { createLogger, eventLines, type LineFields, type LogLevel } from '@llm-ferry/kit'
import { expect, test } from 'vitest'

const FIELDS: LineFields = {
  requestId: 'req_1',
  path: '/v1/"quoted"\\ \u0001\n\ud800 häßlich 中文 \u2028 \u007f',
  absent: undefined,
  status: 200,
  seconds: 0.25,
  empty: '',
  stream: true,
}

function written(level: LogLevel, write: (log: ReturnType<typeof createLogger>) => void): string[] {
  const lines: string[] = []
  write(createLogger('relay', level, { write: (line: string) => void lines.push(line) }))
  return lines
}

const withoutTime = (line: string): string => line.replace(/"time":"[\d-]{10}T[\d:.]{12}Z"/, '"time":""')

test('a line reads as pino would write it', () => {
  const ours = written('info', (log) => eventLines(log, 'request')(FIELDS))
  const theirs = written('info', (log) => log.info(FIELDS, 'request'))
  expect(ours.map(withoutTime)).toEqual(theirs.map(withoutTime))
  expect(JSON.parse(ours[0] ?? '')).toMatchObject({ event: 'request', service: 'relay', status: 200 })
})

test('a line says when it was written', () => {
  const before = Date.now()
  const [line = ''] = written('info', (log) => eventLines(log, 'request')({}))
  const at = Date.parse(JSON.parse(line).time)
  expect(at).toBeGreaterThanOrEqual(before)
  expect(at).toBeLessThanOrEqual(Date.now())
})

test('a log that is quieter than info gets no line, and gets them again when it is not', () => {
  const lines = written('warn', (log) => {
    const write = eventLines(log, 'request')
    write({ at: 1 })
    log.level = 'info'
    write({ at: 2 })
  })
  expect(lines.map((line) => JSON.parse(line).at)).toEqual([2])
})
