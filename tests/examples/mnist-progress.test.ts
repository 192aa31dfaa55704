import { describe, expect, test } from 'vitest'
import { HELP, readOptions } from '../../examples/mnist/options.ts'
import { showProgress, type Output } from '../../examples/mnist/progress.ts'

/** All that a run of `steps` steps an epoch writes; the loss of step i is 1/i. */
function written(terminal: Partial<Output>, env: Record<string, string>, steps: number, epochs = 1): string {
  let text = ''
  const report = showProgress({ ...terminal, write: (more: string) => (text += more) }, env)
  for (let epoch = 1; epoch <= epochs; epoch++) {
    for (let step = 1; step <= steps; step++) report({ epoch, epochs, step, steps, loss: 1 / step, accuracy: 0.5, ms: 2 })
  }
  return text
}

const ESCAPE = '\x1b['

describe('progress', () => {
  test('elsewhere than on a terminal: ten plain lines an epoch', () => {
    for (const steps of [10, 937, 1000]) {
      const lines = written({}, {}, steps, 2).trimEnd().split('\n')
      expect(lines).toHaveLength(20)
      expect(lines[9]).toMatch(/^epoch 1\/2  step (\d+)\/\1  loss 0\.\d{4}  accuracy 50\.00 %  2\.000 ms\/step$/)
      expect(lines[19]).toMatch(/^epoch 2\/2  step (\d+)\/\1  /)
    }
    expect(written({}, {}, 937)).not.toContain(ESCAPE)
    expect(written({}, {}, 937)).not.toContain('\r')
  })

  test('fewer than ten steps: a line each', () => {
    expect(written({}, {}, 3).trimEnd().split('\n')).toHaveLength(3)
  })

  test('the first line tells the first step as it is', () => {
    expect(written({}, {}, 1)).toBe('epoch 1/1  step 1/1  loss 1.0000  accuracy 50.00 %  2.000 ms/step\n')
  })

  test('on a terminal: drawn over in place, one line an epoch stays, in colour', () => {
    const text = written({ isTTY: true, columns: 120 }, {}, 50, 2)
    expect(text.split('\n')).toHaveLength(3)
    expect(text.startsWith('\repoch 1/2 ')).toBe(true)
    expect(text.split('\n')[0]).toContain(`\x1b[32m${'█'.repeat(30)}`)
    expect(text.endsWith('\x1b[K\n')).toBe(true)
  })

  test('NO_COLOR takes the colour and leaves the bar', () => {
    const text = written({ isTTY: true, columns: 120 }, { NO_COLOR: '1' }, 50)
    expect(text.replaceAll(`${ESCAPE}K`, '')).not.toContain(ESCAPE)
    expect(text).toContain('█'.repeat(30))
    expect(text).toContain('\r')
  })

  test('a terminal that does not know its width is taken to have 80 columns', () => {
    expect(written({ isTTY: true, columns: 0 }, {}, 50)).toBe(written({ isTTY: true, columns: 80 }, {}, 50))
  })

  test('a terminal that cannot be drawn over gets lines', () => {
    expect(written({ isTTY: true, columns: 120 }, { TERM: 'dumb' }, 50)).toBe(written({}, {}, 50))
  })

  test.each([67, 80, 81])('a bar fits a terminal of %i columns', (columns) => {
    const line = written({ isTTY: true, columns }, { NO_COLOR: '1' }, 50).split('\r').at(-1)!
    expect(line.replace(`${ESCAPE}K\n`, '').length).toBeLessThanOrEqual(columns)
    expect(line).toContain('█████ ')
  })

  test('a terminal that is too narrow for a bar gets lines', () => {
    expect(written({ isTTY: true, columns: 40 }, {}, 50)).toBe(written({}, {}, 50))
  })
})

describe('options', () => {
  test('defaults', () => {
    expect(readOptions([])).toEqual({ epochs: 5, target: 'wasm', seed: 0, out: 'mnist.safetensors', json: false, help: false })
  })

  test('all of them', () => {
    const args = ['--json', '--epochs', '2', '--target=js', '--seed', '4294967295', '--out', 'a/b', '--help']
    expect(readOptions(args)).toEqual({ epochs: 2, target: 'js', seed: 2 ** 32 - 1, out: 'a/b', json: true, help: true })
  })

  test.each<[string, string[], RegExp]>([
    ['no epoch', ['--epochs', '0'], /--epochs must be a whole number from 1 to 1000, not "0"/],
    ['half an epoch', ['--epochs', '0.5'], /--epochs/],
    ['epochs in words', ['--epochs', 'five'], /not "five"/],
    ['epochs without end', ['--epochs', '1e9'], /--epochs/],
    ['a negative seed', ['--seed=-1'], /--seed must be a whole number from 0 to 4294967295, not "-1"/],
    ['a seed that is too large', ['--seed', '4294967296'], /--seed/],
    ['an unknown target', ['--target', 'native'], /--target must be wasm or js, not "native"/],
    ['no file', ['--out', ''], /--out needs a file name/],
    ['an unknown option', ['--epoch', '3'], /--epoch/],
    ['a stray argument', ['mnist'], /mnist/],
  ])('refuses %s', (_, args, problem) => {
    expect(() => readOptions(args)).toThrow(problem)
  })

  test('the help text names every option', () => {
    for (const name of ['epochs', 'target', 'seed', 'out', 'json', 'help']) expect(HELP).toContain(`--${name}`)
  })
})
