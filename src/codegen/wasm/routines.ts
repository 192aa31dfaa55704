import { Func, type Code, type Local } from './encoder/assembler.ts'

/**
 * `philox(block, key0, key1, stream) → i32x4`: the four words of Philox 4×32-10 (Salmon et al., "Parallel random
 * numbers: as easy as 1, 2, 3", 2011) for the counter (block, 0, stream, 0).
 */
export function philoxFunc(): Func {
  const f = new Func('philox', ['i32', 'i32', 'i32', 'i32'], ['v128'], 'Philox 4x32-10: four random words')
  const { body: c } = f
  const [block, key0, key1, stream] = f.params
  const [state, key, factors, step, product] = [0, 1, 2, 3, 4].map((): Local => ({ type: 'v128' }))
  const round: Local = { type: 'i32' }
  const pair = (low: () => unknown, high: () => unknown): void => {
    c.i32(0).op('i32x4.splat')
    low()
    c.lane('i32x4.replace_lane', 0)
    high()
    c.lane('i32x4.replace_lane', 1)
  }
  // The state is kept as [c0, c2, c1, c3]: both multiplications of a round are one.
  pair(() => c.get(block), () => c.get(stream))
  c.set(state)
  pair(() => c.get(key0), () => c.get(key1))
  c.set(key)
  pair(() => c.i32(0xd2511f53), () => c.i32(0xcd9e8d57))
  c.set(factors)
  pair(() => c.i32(0x9e3779b9), () => c.i32(0xbb67ae85))
  c.set(step).i32(10).set(round)
  c.within('loop', (label) => {
    // [low, high] of M0 · c0, then of M1 · c2; the next state is [high₁ ^ c1, high₀ ^ c3, low₁, low₀] ^ key.
    c.get(state).get(factors).op('i64x2.extmul_low_i32x4_u').tee(product).get(product).shuffle32([3, 1, 2, 0])
    c.get(state).get(key).shuffle32([2, 3, 6, 7]).op('v128.xor').get(key).op('v128.xor').set(state)
    c.get(key).get(step).op('i32x4.add').set(key).get(round).i32(1).op('i32.sub').tee(round).brIf(label)
  })
  c.get(state).get(state).shuffle32([0, 2, 1, 3])
  return f
}

/** The four rows of the 4×4 block whose columns are in these locals, in order; `use` calls `push` once. */
export function transpose4(code: Code, columns: readonly Local[], use: (push: () => void, row: number) => void): void {
  const [a, b, d, e] = columns
  const [low, high] = [0, 1].map((): Local => ({ type: 'v128' }))
  for (const half of [0, 2]) {
    const lanes = [half, half + 4, half + 1, half + 5] as const
    code.get(a).get(b).shuffle32(lanes).set(low).get(d).get(e).shuffle32(lanes).set(high)
    use(() => code.get(low).get(high).shuffle32([0, 1, 4, 5]), half)
    use(() => code.get(low).get(high).shuffle32([2, 3, 6, 7]), half + 1)
  }
}

/**
 * `transpose(from0, from1, from2, from3, count, to, step)`: `count` (≥ 4) consecutive f32 of each of four columns become
 * `count` vectors, `step` bytes apart.
 */
export function transposeFunc(): Func {
  const f = new Func('transpose', ['i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32'], [], 'four columns into a panel')
  const { body: c } = f
  const from = f.params.slice(0, 4)
  const [count, to, step] = f.params.slice(4)
  const columns = from.map(() => ({ type: 'v128' as const }))
  const advance = (by: number): void => {
    for (const p of from) c.get(p).i32(by).op('i32.add').set(p)
  }
  c.within('loop', (label) => {
    columns.forEach((v, i) => c.get(from[i]).memory('v128.load', 0, 4).set(v))
    transpose4(c, columns, (push) => {
      c.get(to)
      push()
      c.memory('v128.store', 0, 16).get(to).get(step).op('i32.add').set(to)
    })
    advance(16)
    c.get(count).i32(4).op('i32.sub').tee(count).i32(3).op('i32.gt_s').brIf(label)
  })
  // The last one to three terms.
  c.get(count).within('if', () => {
    c.within('loop', (label) => {
      c.get(to)
      for (const p of from.toReversed()) c.get(p)
      c.memory('v128.load32_zero', 0, 4)
      for (const l of [1, 2, 3]) c.memoryLane('v128.load32_lane', 0, 4, l)
      c.memory('v128.store', 0, 16).get(to).get(step).op('i32.add').set(to)
      advance(4)
      c.get(count).i32(1).op('i32.sub').tee(count).brIf(label)
    })
  })
  return f
}
