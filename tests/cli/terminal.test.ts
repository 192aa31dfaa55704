import { describe, expect, it } from 'vitest'
import { columns, grouped, paintOn, Progress } from '../../src/cli/terminal.ts'

const screen = (isTTY: boolean, width = 120) => {
  const said: string[] = []
  return { said, output: { write: (text: string) => void said.push(text), isTTY, columns: width } }
}

describe('colours', () => {
  it('show on a terminal, unless NO_COLOR or TERM say no', () => {
    const { output } = screen(true)
    expect(paintOn(output, {})('good', 'green')).toBe('\u001b[32mgood\u001b[0m')
    for (const env of [{ NO_COLOR: '1' }, { TERM: 'dumb' }]) expect(paintOn(output, env)('good', 'green')).toBe('good')
    // no-color.org: an empty value is none.
    expect(paintOn(output, { NO_COLOR: '' })('good', 'green')).not.toBe('good')
    expect(paintOn(screen(false).output, {})('good', 'green')).toBe('good')
  })
})

describe('progress', () => {
  const drawn = (isTTY: boolean, env: Record<string, string> = {}, width = 120): string[] => {
    const { said, output } = screen(isTTY, width)
    const progress = new Progress({ stderr: output, env })
    progress.show(0.5, 'train')
    progress.clear()
    return said
  }

  it('is one line on a terminal, which is taken away at the end', () => {
    const [line, end, ...rest] = drawn(true, { NO_COLOR: '1' })
    expect(line).toBe(`\r${'█'.repeat(15)}${'░'.repeat(15)} train\u001b[K`)
    expect([end, rest]).toEqual(['\r\u001b[K', []])
    expect(drawn(true)[0]).toContain('\u001b[32m')
  })

  it('is nothing elsewhere, and where it would wrap', () => {
    expect(drawn(false)).toEqual([])
    expect(drawn(true, { TERM: 'dumb' })).toEqual([])
    expect(drawn(true, {}, 40)).toEqual([])
    expect(drawn(true, {}, 0)).toHaveLength(2) // not known
  })

  it('survives shares beyond their range, and long names', () => {
    const { said, output } = screen(true)
    new Progress({ stderr: output, env: { NO_COLOR: '1' } }).show(7, 'n'.repeat(500))
    expect(said[0]).toBe(`\r${'█'.repeat(30)} ${'n'.repeat(40)}\u001b[K`)
    new Progress({ stderr: output, env: {} }).show(-1, '')
    expect(said[1]).not.toContain('█')
  })
})

it('lines columns up', () => {
  expect(columns([['a', 'n'], ['long', '12'], ['b', '']], [1])).toBe('  a      n\n  long  12\n  b\n')
  expect([0, 12, 123, 1234, 1234567].map(grouped)).toEqual(['0', '12', '123', '1,234', '1,234,567'])
})
