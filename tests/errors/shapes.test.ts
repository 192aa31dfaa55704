import { describe, expect, it } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import { GradcError } from '../../src/ir/errors.ts'
import type { Node } from '../../src/ir/graph.ts'
import * as g from '../../src/ir/lang/index.ts'
import type { DType } from '../../src/ir/types.ts'

function errorOf(run: () => unknown): GradcError {
  try {
    run()
  } catch (e) {
    if (e instanceof GradcError) return e
    throw e
  }
  throw new Error('nothing was refused')
}

const b = new Builder()
const t = (name: string, shape: readonly number[], dtype: DType = 'f32'): Node => b.capture(() => b.input(name, { dtype, shape }))
const m23 = t('m23', [2, 3])
const m45 = t('m45', [4, 5])
const v3 = t('v3', [3])
const s = t('s', [])
const empty = t('empty', [0, 3])
const ints = t('ints', [3], 'i32')
const words = t('words', [2], 'u32')
const word = t('word', [], 'u32')
const flags = t('flags', [3], 'bool')
const half = t('half', [3], 'f16')
const double = t('double', [3], 'f64')
const make = (op: string, operands: readonly Node[], attrs = {}): Node => b.make(op, operands, attrs)

// What is refused, with which code, and what the message must say besides the operands.
const REFUSED: readonly (readonly [string, () => unknown, string, RegExp])[] = [
  ['add of shapes that do not broadcast', () => g.add(m23, m45), 'shape/broadcast', /3 with 5/],
  ['add of two dtypes', () => g.add(v3, ints), 'dtype/mismatch', /cast\(y, 'f32'\)/],
  ['add of bools', () => g.add(flags, flags), 'dtype/unsupported', /bool/],
  ['add of storage floats', () => g.add(half, half), 'dtype/unsupported', /cast\(x, 'f32'\)/],
  ['a fraction to an integer', () => g.add(ints, 0.5), 'dtype/mismatch', /0.5/],
  ['a number too large for its dtype', () => g.add(ints, 2 ** 31), 'dtype/mismatch', /2147483648/],
  ['numbers alone', () => (g.add as unknown as (x: number, y: number) => Node)(1, 2), 'dtype/mismatch', /numbers alone/],
  ['the exponential of an integer', () => g.exp(ints), 'dtype/unsupported', /i32/],
  ['a primitive of two shapes', () => make('mul', [m23, v3]), 'shape/mismatch', /equal/],
  ['shifts of floats', () => make('shl', [v3, v3]), 'dtype/unsupported', /f32/],
  ['not of a float', () => make('not', [v3]), 'dtype/unsupported', /f32/],
  ['a comparison of bools by order', () => make('lt', [flags, flags]), 'dtype/unsupported', /bool/],
  ['select by a float', () => make('select', [v3, v3, v3]), 'dtype/mismatch', /bool/],
  ['select of two dtypes', () => make('select', [flags, v3, ints]), 'dtype/mismatch', /./],
  ['select of two shapes', () => make('select', [flags, m23, m23]), 'shape/mismatch', /./],
  ['a bitcast to another width', () => g.bitcast(v3, 'f64'), 'dtype/unsupported', /4 bytes/],
  ['a cast to nothing known', () => g.cast(v3, 'f128' as DType), 'dtype/unsupported', /f128/],
  ['contracted extents that differ', () => g.matmul(m23, m45), 'shape/contract', /cannot contract 3 with 4/],
  ['contracted extents that differ, einsum', () => g.einsum('ik,jk->ij', m23, m45), 'shape/contract', /cannot contract 3 with 5/],
  ['matmul of a scalar', () => g.matmul(s, v3), 'shape/contract', /scalars/],
  ['a batch that does not broadcast', () => g.matmul(t('b1', [2, 3, 4]), t('b2', [3, 4, 5])), 'shape/broadcast', /\[2\] and \[3\]/],
  ['einsum without an arrow', () => g.einsum('ik;kj', m23, m45), 'attr/invalid', /ik,kj->ij/],
  ['einsum of an axis twice', () => g.einsum('ii,i->i', m23, v3), 'attr/invalid', /twice/],
  ['einsum of too few axes', () => g.einsum('i,j->ij', m23, v3), 'attr/invalid', /rank 2/],
  ['einsum of an axis from nowhere', () => g.einsum('i,j->ik', v3, v3), 'attr/invalid', /no operand/],
  ['contract that drops an axis', () => make('contract', [m23, v3], { spec: 'ik,k->' }), 'attr/invalid', /drops/],
  ['contract of bools', () => make('contract', [flags, flags], { spec: 'i,i->' }), 'dtype/unsupported', /bool/],
  ['an axis beyond the rank', () => g.sum(m23, { axis: 2 }), 'shape/axis', /axis 2.*rank 2/],
  ['an axis before the first', () => g.sum(m23, { axis: -3 }), 'shape/axis', /-2 to 1/],
  ['an axis named twice', () => g.sum(m23, { axis: [0, -2] }), 'shape/axis', /twice/],
  ['axes out of order', () => make('sum', [m23], { axes: [1, 0] }), 'shape/axis', /ascending/],
  ['the largest of nothing', () => g.max(empty, { axis: 0 }), 'shape/invalid', /extent 0/],
  ['the position of the largest of nothing', () => g.argmax(empty, { axis: 0 }), 'shape/invalid', /extent 0/],
  ['argmax over two axes', () => make('argmax', [m23], { axes: [0, 1] }), 'shape/axis', /one axis/],
  ['the mean of integers', () => g.mean(ints), 'dtype/unsupported', /i32/],
  ['the sum of bools', () => g.sum(flags), 'dtype/unsupported', /bool/],
  ['cumsum of a scalar', () => g.cumsum(s, { axis: 0 }), 'shape/axis', /no axes/],
  ['a reshape to another size', () => g.reshape(m23, [4, 2]), 'shape/mismatch', /6 elements/],
  ['a reshape that does not divide', () => g.reshape(m23, [4, -1]), 'shape/mismatch', /6 elements/],
  ['a reshape to a fraction', () => g.reshape(m23, [1.5, 4]), 'shape/invalid', /1.5/],
  ['a broadcast to fewer axes', () => g.broadcastTo(m23, [3]), 'shape/broadcast', /\[2, 3\]/],
  ['a broadcast to a negative extent', () => g.broadcastTo(s, [-1]), 'shape/invalid', /-1/],
  ['a broadcast that is too large', () => g.broadcastTo(s, [2 ** 20, 2 ** 20]), 'shape/invalid', /too large/],
  ['a permutation of too few axes', () => g.transpose(m23, [0]), 'attr/invalid', /1 axes/],
  ['a permutation with an axis twice', () => g.transpose(m23, [0, 0]), 'shape/axis', /twice/],
  ['a slice of too many axes', () => g.slice(v3, {}, {}), 'shape/axis', /2 ranges/],
  ['a slice with step 0', () => g.slice(v3, { step: 0 }), 'attr/invalid', /./],
  ['a slice out of bounds', () => make('slice', [v3], { start: [2], size: [2], step: [1] }), 'attr/invalid', /extent 3/],
  ['a negative pad', () => g.pad(v3, [[-1, 0]]), 'attr/invalid', /low/],
  ['a pad of too few axes', () => g.pad(m23, [[1, 1]]), 'shape/axis', /1 widths/],
  ['a concat of ranks', () => g.concat([m23, v3]), 'shape/mismatch', /./],
  ['a concat of extents', () => g.concat([m23, m45], 1), 'shape/mismatch', /agree/],
  ['a concat of dtypes', () => g.concat([v3, ints as Node]), 'dtype/mismatch', /./],
  ['a squeeze of a wide axis', () => g.squeeze(m23, 0), 'shape/mismatch', /extent 2/],
  ['a flip beyond the rank', () => g.flip(v3, 1), 'shape/axis', /axis 1/],
  ['a window that does not fit', () => g.window(v3, { axes: [0], size: [4] }), 'attr/invalid', /does not fit/],
  ['a window of stride 0', () => g.window(v3, { axes: [0], size: [1], stride: [0] }), 'attr/invalid', /stride/],
  ['a window over an axis twice', () => g.window(m23, { axes: [0, 0], size: [1, 1] }), 'shape/axis', /twice/],
  ['overlapAdd of other patches', () => make('overlapAdd', [m23], { shape: [5], axes: [0], size: [2], stride: [1], dilation: [1] }), 'shape/mismatch', /patches/],
  ['a gather by floats', () => g.gather(v3, v3), 'dtype/mismatch', /cast\(index, 'i32'\)/],
  ['a gather from nothing', () => g.gather(empty, ints), 'shape/invalid', /empty/],
  ['scatterAdd of another shape', () => g.scatterAdd(v3, ints, m23), 'shape/mismatch', /\[3\]/],
  ['scatterAdd of another dtype', () => g.scatterAdd(v3, ints, double as Node), 'dtype/mismatch', /./],
  ['random bits from a float key', () => g.randomBits(v3, word, [2]), 'dtype/mismatch', /u32/],
  ['random bits from a key of three', () => g.randomBits(t('key3', [3], 'u32'), word, [2]), 'shape/mismatch', /u32\[2\]/],
  ['random bits of a negative shape', () => g.randomBits(words, word, [-2]), 'shape/invalid', /-2/],
  ['iota of bools', () => b.iota([3], 0, 'bool'), 'dtype/unsupported', /bool/],
  ['iota along an axis it lacks', () => b.iota([3], 1), 'shape/axis', /axis 1/],
  ['a constant of another length', () => b.constant(new Float32Array(2), { dtype: 'f32', shape: [3] }), 'attr/invalid', /length 2/],
  ['a constant of another array', () => b.constant(new Int32Array(3), { dtype: 'f32', shape: [3] }), 'attr/invalid', /Int32Array/],
  ['an input without a name', () => b.input('', { dtype: 'f32', shape: [] }), 'name/invalid', /name/],
  ['an input declared twice', () => b.input('s', { dtype: 'f32', shape: [] }), 'name/duplicate', /"s"/],
]

describe('refused at declaration', () => {
  for (const [what, run, code, says] of REFUSED) {
    it(what, () => {
      const before = b.size
      const error = errorOf(run)
      expect(error.code).toBe(code)
      expect(error.problem + (error.hint ?? '')).toMatch(says)
      // A literal or view may have been made on the way; the op itself was not.
      expect(b.size - before).toBeLessThan(4)
    })
  }

  it('names both operands with the place of their declaration', () => {
    const { message } = errorOf(() => g.add(m23, m45))
    expect(message).toMatch(/x +input f32\[2, 3\] "m23" +shapes\.test\.ts:\d+:\d+/)
    expect(message).toMatch(/y +input f32\[4, 5\] "m45" +shapes\.test\.ts:\d+:\d+/)
  })

  it('points at the extent that does not fit', () => {
    const { message } = errorOf(() => g.matmul(m23, m45))
    const lines = message.split('\n')
    const y = lines.findIndex((l) => l.trimStart().startsWith('y '))
    expect(lines[y][lines[y + 1].indexOf('^')]).toBe('4')
    expect(lines[y + 1]).toContain('must equal 3, the last dimension of x')
  })

  it('refuses values of another function', () => {
    const other = new Builder().input('x', { dtype: 'f32', shape: [3] })
    const error = errorOf(() => g.add(v3, other))
    expect(error.code).toBe('build/foreign')
    expect(error.hint).toContain('inputs or states')
  })
})
