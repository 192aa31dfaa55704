import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compile, f32, fn, grad, i32, logSoftmax, nn, optim, sum, type Tensor } from '../../src/index.ts'
import { Builder } from '../../src/ir/builder.ts'
import type { DType, Shape } from '../../src/ir/types.ts'
import { numbersOf, refusal } from '../passes/numbers.ts'
import { draw, expectSlopes } from './recurrent-slopes.ts'

const seed = Number(process.env.GRADC_SEED ?? 20261121)

interface Sequences {
  readonly logProbs: readonly (readonly (readonly number[])[])[]
  readonly targets: readonly (readonly number[])[]
  readonly lengths: readonly number[]
  readonly counts: readonly number[]
}

/** −log of the sum over all paths that spell the target, each written out. */
function byPaths({ logProbs, targets, lengths, counts }: Sequences, blank: number): number[] {
  return targets.map((all, n) => {
    const target = all.slice(0, counts[n]).join()
    let likelihood = 0
    const walk = (t: number, path: readonly number[], log: number): void => {
      if (t === lengths[n]) {
        const spelt = path.filter((c, i) => c !== blank && c !== path[i - 1])
        if (spelt.join() === target) likelihood += Math.exp(log)
      } else logProbs[t][n].forEach((p, c) => walk(t + 1, [...path, c], log + p))
    }
    walk(0, [], 0)
    return -Math.log(likelihood)
  })
}

/** Inputs of a builder, and ctc of them; lengths are data. */
function declared(T: number, N: number, C: number, S: number, options: nn.CtcOptions & nn.LossOptions = {}, dtype: DType = 'f64') {
  const b = new Builder()
  const x = b.input('x', { dtype, shape: [T, N, C] }) as Tensor<'f64'>
  const ints = (name: string, ...shape: number[]): Tensor => b.input(name, { dtype: 'i32', shape })
  return { x, loss: nn.ctc(x, ints('targets', N, S), ints('lengths', N), ints('counts', N), options) }
}
const flat = ({ logProbs, targets, lengths, counts }: Sequences) => ({ x: logProbs.flat(2), targets: targets.flat(), lengths, counts })

describe('ctc', () => {
  test('is the sum over all paths', () => {
    const sequences = fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 2, max: 3 }), fc.integer({ min: 0, max: 3 }))
      .chain(([T, N, C, S]) => {
        const blank = C - 1
        const each = <V>(v: fc.Arbitrary<V>, n: number): fc.Arbitrary<V[]> => fc.array(v, { minLength: n, maxLength: n })
        return fc.record({
          logProbs: each(each(each(fc.integer({ min: -40, max: 0 }).map((v) => v / 10), C), N), T),
          targets: each(each(fc.nat(blank - 1), S), N),
          lengths: each(fc.nat(T), N),
          counts: each(fc.nat(S), N),
          sizes: fc.constant([T, N, C, S] as const),
        })
      })
    fc.assert(fc.property(sequences, ({ sizes, ...given }) => {
      const blank = sizes[2] - 1
      const { x, loss } = declared(...sizes, { blank, reduction: 'none' })
      const [losses, slopes] = numbersOf([loss, grad(sum(loss), x)], flat(given))
      const expected = byPaths(given, blank)
      losses.forEach((v, n) => (expected[n] === Infinity ? expect(v).toBe(Infinity) : expect(v).toBeCloseTo(expected[n], 9)))
      expect(slopes.every(Number.isFinite)).toBe(true)
      const [none] = numbersOf([declared(...sizes, { blank, reduction: 'none', zeroInfinity: true }).loss], flat(given))
      expect(none).toEqual(losses.map((v) => (v === Infinity ? 0 : v)))
      const [mean] = numbersOf([declared(...sizes, { blank, zeroInfinity: true }).loss], flat(given))
      const shares = none.map((v, n) => v / Math.max(given.counts[n], 1))
      expect(mean[0]).toBeCloseTo(shares.reduce((p, q) => p + q) / shares.length, 9)
    }), { seed, numRuns: 40 })
  })

  test.each(['all', 'sqrt'] as const)('gradients by log-probabilities and logits, kept %s', (checkpoint) => {
    const [lengths, counts] = [[5, 4], [3, 1]]
    const whole = (b: Builder, values: readonly number[], ...shape: number[]): Tensor => b.constant(Int32Array.from(values), { dtype: 'i32', shape })
    for (const logits of [true, false]) {
      expectSlopes({
        inputs: { x: [5, 2, 4] },
        of: ({ x }) => {
          const b = x.builder as Builder
          return nn.ctc(logits ? logSoftmax(x) : x, whole(b, [1, 1, 3, 2, 0, 0], 2, 3), whole(b, lengths, 2), whole(b, counts, 2), { checkpoint, reduction: 'none' })
        },
      })
    }
  })

  test('a class that is masked by −∞ has no path through it, and the gradient 0', () => {
    const { x, loss } = declared(3, 1, 3, 1)
    const row = [Math.log(0.5), Math.log(0.5), -Infinity]
    const [value, slope] = numbersOf([loss, grad(loss as never, x)], { x: [...row, ...row, ...row], targets: [1], lengths: [3], counts: [1] })
    // Of the 8 paths of a and blank, 6 spell one a: all but the empty one and a-blank-a.
    expect(value[0]).toBeCloseTo(-Math.log(6 / 8), 12)
    expect([slope[2], slope[5], slope[8]]).toEqual([0, 0, 0])
    expect(slope.every(Number.isFinite)).toBe(true)
    const asked = numbersOf([loss, grad(loss as never, x)], { x: [...row, ...row, ...row], targets: [2], lengths: [3], counts: [1] })
    expect(asked).toEqual([[Infinity], new Array(9).fill(0)])
  })

  test('NaN comes out where it counts, and not from behind the end', () => {
    const { x, loss } = declared(3, 2, 3, 1, { reduction: 'none' })
    const values = draw(18).map((v) => v - 3)
    values[3 * 2 * 2 + 1] = NaN
    const given = { x: values, targets: [1, 2], counts: [1, 1] }
    expect(numbersOf([loss], { ...given, lengths: [3, 3] })[0].map(Number.isNaN)).toEqual([true, false])
    const [cut, slope] = numbersOf([loss, grad(sum(loss), x)], { ...given, lengths: [2, 3] })
    expect(cut.concat(slope).every(Number.isFinite)).toBe(true)
  })

  test('long, and with probabilities far below the least f32: the same as in the log domain', async () => {
    const [T, S] = [300, 40]
    const f = fn({ x: f32(T, 1, 5), targets: i32(1, S), lengths: i32(1), counts: i32(1) }, ({ x, targets, lengths, counts }) => {
      const loss = nn.ctc(x, targets, lengths, counts, { reduction: 'sum' })
      return { loss, g: grad(loss, x) }
    })
    const runs = await Promise.all((['wasm', 'js'] as const).map(async (target) => {
      const model = await compile({ f }, { target, verify: true }).load()
      const targets = Int32Array.from({ length: S }, (_, i) => 1 + (i % 4))
      const { loss, g } = model.f({ x: new Float32Array(5 * T).fill(-1000), targets, lengths: Int32Array.of(T), counts: Int32Array.of(S) })
      return { loss, g: [...g] }
    }))
    expect(runs[1]).toEqual(runs[0])
    const { loss, g } = runs[0]
    // All paths alike: their number is a binomial coefficient, T + S over 2S, as no label repeats.
    let paths = 0
    for (let i = 0; i < 2 * S; i++) paths += Math.log((T + S - i) / (i + 1))
    expect(Math.abs(loss / (1000 * T - paths) - 1)).toBeLessThan(1e-6)
    // In each step some class is said.
    for (let t = 0; t < T; t++) expect(g.slice(5 * t, 5 * t + 5).reduce((p, q) => p + q)).toBeCloseTo(-1, 4)
  })

  test('a net learns to spell', async () => {
    const net = nn.sequential(nn.linear(4, 16), nn.tanh, nn.linear(16, 3), (x) => logSoftmax(x))
    const lengths = { targets: i32(2, 2), lengths: i32(2), counts: i32(2) }
    const program = compile({
      train: fn({ x: f32(6, 2, 4), ...lengths }, ({ x, targets, lengths, counts }) => ({ loss: nn.ctc(net(x), targets, lengths, counts) }))
        .minimize('loss', optim.adam({ lr: 0.05 })),
    })
    const model = await program.load({ seed: 2 })
    const given = { x: Float32Array.from(draw(48)), targets: Int32Array.of(1, 2, 2, 0), lengths: Int32Array.of(6, 5), counts: Int32Array.of(2, 1) }
    const losses = Array.from({ length: 100 }, () => model.train(given).loss)
    expect(losses[99]).toBeLessThan(losses[0] / 10)
  })

  const tensor = (b: Builder, dtype: DType, ...shape: number[]): Tensor => b.input(`${b.size}`, { dtype, shape })
  const call = (x: Shape, targets: Shape, lengths: Shape, options: object = {}, dtypes: readonly DType[] = ['f32', 'i32', 'i32']): string => {
    const b = new Builder()
    const [p, t, l] = [x, targets, lengths].map((s, i) => tensor(b, dtypes[i], ...s))
    return refusal(() => nn.ctc(p, t, l, l, options)).code
  }
  test('refused', () => {
    expect(call([4, 3], [2, 2], [2])).toBe('shape/mismatch')
    expect(call([4, 2, 0], [2, 2], [2])).toBe('shape/mismatch')
    expect(call([4, 2, 3], [4], [2])).toBe('shape/mismatch')
    expect(call([4, 2, 3], [3, 2], [2])).toBe('shape/mismatch')
    expect(call([4, 2, 3], [2, 2], [])).toBe('shape/mismatch')
    expect(call([4, 2, 3], [2, 2], [2], {}, ['f32', 'f32', 'i32'])).toBe('dtype/mismatch')
    expect(call([4, 2, 3], [2, 2], [2], {}, ['f32', 'i32', 'u32'])).toBe('dtype/mismatch')
    expect(call([4, 2, 3], [2, 2], [2], {}, ['i32', 'i32', 'i32'])).toBe('dtype/unsupported')
    for (const options of [{ blank: 3 }, { blank: -1 }, { blank: '0' }, { reduction: 'max' }, { zeroInfinity: 1 }, { checkpoint: 'no' }, { zero: 1 }]) {
      expect(call([4, 2, 3], [2, 2], [2], options)).toBe('option/invalid')
    }
    expect(refusal(() => nn.ctc(1 as never, 2 as never, 3 as never, 4 as never)).code).toBe('operand/invalid')
  })
})
