import { describe, expect, test } from 'vitest'
import { createCalendar, parseTimeZone } from '../../src/limits/calendar.ts'

const at = (iso: string): number => Date.parse(iso)

describe('calendar windows', () => {
  test('a day in Shanghai begins at 16:00 UTC', () => {
    const calendar = createCalendar('Asia/Shanghai')
    const [, before] = calendar(at('2026-11-22T15:59:59.999Z'))
    const [minute, day, month] = calendar(at('2026-11-22T16:00:00.000Z'))
    expect(before).toMatchObject({ name: '2026-11-22', endMs: at('2026-11-22T16:00:00Z') })
    expect(day).toEqual({ name: '2026-11-23', startMs: at('2026-11-22T16:00:00Z'), endMs: at('2026-11-23T16:00:00Z') })
    expect(month).toEqual({ name: '2026-11', startMs: at('2026-10-31T16:00:00Z'), endMs: at('2026-11-30T16:00:00Z') })
    expect(minute.endMs - minute.startMs).toBe(60_000)
  })

  test.each([
    ['2026-03-08T12:00:00Z', 23],
    ['2026-11-01T12:00:00Z', 25],
    ['2026-07-01T12:00:00Z', 24],
  ])('the day of %s in New York has %i hours', (iso, hours) => {
    const [, day] = createCalendar('America/New_York')(at(iso))
    expect((day.endMs - day.startMs) / 3_600_000).toBe(hours)
  })

  test('an earlier moment has its own window again', () => {
    const calendar = createCalendar('UTC')
    calendar(at('2026-05-02T00:00:00Z'))
    expect(calendar(at('2026-05-01T23:59:59Z'))[1].name).toBe('2026-05-01')
  })

  test('refuses what is no time zone', () => {
    expect(parseTimeZone('Asia/Shanghai')).toBe('Asia/Shanghai')
    expect(() => parseTimeZone('Peking')).toThrow('IANA time zone')
  })
})
