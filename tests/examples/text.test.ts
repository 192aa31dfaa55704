import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { mulberry32 } from '../../examples/mnist/batches.ts'
import { countStreams, countWindows, streamsOf, windowsOf } from '../../examples/text/batches.ts'
import { corpusOf, encode, loadCorpus, OTHER } from '../../examples/text/corpus.ts'
import { draw } from '../../examples/text/draw.ts'
import { helpOf, readOptions } from '../../examples/text/options.ts'

const counted = (n: number): Int32Array => Int32Array.from({ length: n }, (_, i) => i)
const copied = <T extends { x: Int32Array; y: Int32Array }>(batches: Iterable<T>): number[][][] =>
  [...function* () { for (const { x, y } of batches) yield [[...x], [...y]] }()]

describe('the corpus', () => {
  test('each text gives its last tenth to validation; the commonest characters come first, the rest is one', () => {
    const { alphabet, training, validation } = corpusOf(['aaaaabbbcx', 'ab\r\nab\r\nab\r\nay'], 4)
    const read = (codes: Int32Array): string => Array.from(codes, (code) => alphabet[code]).join('')
    expect(alphabet).toEqual(['a', 'b', '\n', OTHER])
    expect(read(training)).toBe(`aaaaabbb${OTHER}ab\nab\nab\na`)
    expect(read(validation)).toBe(OTHER + OTHER)
  })

  test('characters beyond 16 bits are one, and the replacement character itself is the last', () => {
    const { alphabet, training } = corpusOf(['😀😀a�'])
    expect(alphabet).toEqual(['😀', 'a', OTHER])
    expect([...training]).toEqual([0, 0, 1, 2])
    expect([...encode(alphabet, 'a😀b')]).toEqual([1, 0, 2])
  })

  test('that of the repository is large, nearly all of it in the alphabet, and the same again', async () => {
    const { alphabet, training, validation } = await loadCorpus()
    expect(alphabet.length).toBe(128)
    expect(training.length).toBeGreaterThan(500_000)
    expect(validation.length / (training.length + validation.length)).toBeCloseTo(0.1, 2)
    for (const part of [training, validation]) {
      expect(part.filter((code) => code === 127).length).toBeLessThan(part.length / 1000)
      expect(part.every((code) => code >= 0 && code < 128)).toBe(true)
    }
    const text = Array.from(training.subarray(0, 5000), (code) => alphabet[code]).join('')
    expect(text.startsWith('# Architecture\n\ngradc turns')).toBe(true)
    const again = (await loadCorpus()).training
    expect(again.length).toBe(training.length)
    expect(again.every((code, i) => code === training[i])).toBe(true)
  })
})

describe('batches', () => {
  const sizes = [fc.integer({ min: 0, max: 120 }), fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 7 })] as const

  test('streams: every row goes on where it ended, and what follows stands beside', () => {
    fc.assert(
      fc.property(...sizes, (length, size, steps) => {
        const batches = copied(streamsOf(counted(length), size, steps))
        expect(batches).toHaveLength(Math.max(0, countStreams(length, size, steps)))
        batches.forEach(([x, y], i) => {
          x.forEach((code, j) => {
            expect(y[j]).toBe(code + 1)
            if (j % steps) expect(code).toBe(x[j - 1] + 1)
            else if (i) expect(code).toBe(batches[i - 1][0][j + steps - 1] + 1)
          })
          expect(y.at(-1)!).toBeLessThan(length)
        })
        // The rows have no character in common.
        expect(new Set(batches.flatMap(([x]) => x)).size).toBe(batches.length * size * steps)
      }),
    )
  })

  test('windows: no character twice an epoch, in another order and cut elsewhere each time', () => {
    fc.assert(
      fc.property(...sizes, fc.nat(), (length, size, steps, seed) => {
        const batches = copied(windowsOf(counted(length), size, steps, mulberry32(seed)))
        expect(batches).toHaveLength(Math.max(0, countWindows(length, size, steps)))
        for (const [x, y] of batches) {
          x.forEach((code, j) => {
            expect(y[j]).toBe(code + 1)
            if (j % steps) expect(code).toBe(x[j - 1] + 1)
          })
          expect(Math.max(...y)).toBeLessThan(length)
        }
        expect(new Set(batches.flatMap(([x]) => x)).size).toBe(batches.length * size * steps)
      }),
    )
    const random = mulberry32(1)
    const [first, second] = [0, 1].map(() => copied(windowsOf(counted(200), 2, 5, random)).flatMap(([x]) => x))
    expect(second).not.toEqual(first)
    expect(new Set([first, second].map((x) => x[0] % 5)).size).toBe(2)
    expect(copied(windowsOf(counted(22), 2, 5))).toEqual([[[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]]])
  })
})

describe('draws', () => {
  const logits = Float32Array.of(Math.log(1), Math.log(2), -Infinity, Math.log(5))
  const shares = (temperature: number): number[] => {
    const random = mulberry32(2)
    const times = [0, 0, 0, 0]
    for (let i = 0; i < 8000; i++) times[draw(logits, temperature, random)]++
    return times.map((n) => n / 8000)
  }

  test('come as often as softmax says, and the temperature sharpens it', () => {
    // Binomial with n = 8000: five standard deviations are at most 0.028.
    ;[1 / 8, 2 / 8, 0, 5 / 8].forEach((p, i) => expect(Math.abs(shares(1)[i] - p)).toBeLessThan(p ? 0.028 : 1e-9))
    ;[1 / 30, 4 / 30, 0, 25 / 30].forEach((p, i) => expect(Math.abs(shares(0.5)[i] - p)).toBeLessThan(p ? 0.028 : 1e-9))
  })

  test('large logits do not overflow, the ends of the range are drawn, NaN is refused', () => {
    expect(draw(Float32Array.of(3e38, -3e38), 1e-3, () => 0.999)).toBe(0)
    expect(draw(Float32Array.of(0, 0, -Infinity), 1, () => 1 - 2 ** -53)).toBe(1)
    expect(draw(Float32Array.of(-Infinity, 0), 1, () => 0)).toBe(1)
    expect(() => draw(Float32Array.of(0, NaN), 1, () => 0.5)).toThrow('nothing can be drawn')
  })
})

describe('options', () => {
  const about = { name: 'char-x', what: 'Learns.', epochs: 3, shortSteps: 9 }

  test('defaults, and all of them', () => {
    const usual = { epochs: 3, short: false, target: 'wasm', seed: 0, sample: 400, temperature: 0.7, json: false, help: false }
    expect(readOptions([], about)).toEqual(usual)
    expect(readOptions(['--short'], about)).toEqual({ ...usual, short: true, epochs: 1, sample: 40 })
    const args = '--short --epochs 2 --target=js --seed 9 --sample 0 --temperature 1.25 --json --help'.split(' ')
    const all = { epochs: 2, short: true, target: 'js', seed: 9, sample: 0, temperature: 1.25, json: true, help: true }
    expect(readOptions(args, about)).toEqual(all)
  })

  test('refuses what it does not know', () => {
    const temperatures = ['0', '10.1', 'hot', '1e-1'].map((t) => ['--temperature', t])
    const others = [['--epochs', '0'], ['--sample=-1'], ['--target', 'native'], ['--seed=-1'], ['--step', '3'], ['gpt']]
    for (const args of [...temperatures, ...others]) {
      expect(() => readOptions(args, about), args.join(' ')).toThrow(args[0].split('=')[0])
    }
  })

  test('the help names every option', () => {
    const names = ['epochs', 'short', 'target', 'seed', 'sample', 'temperature', 'json', 'help']
    for (const name of names) expect(helpOf(about)).toContain(`--${name}`)
    expect(helpOf(about)).toContain('npm run char-x')
  })
})
