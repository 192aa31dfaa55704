import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import { evaluateNodes } from '../../src/ir/evaluate.ts'
import type { Node } from '../../src/ir/graph.ts'
import { topological } from '../../src/ir/graph.ts'
import type { Maybe } from '../../src/ir/op.ts'
import { isOp, opNamed, ops } from '../../src/ir/ops/index.ts'
import { isFloat, sizeOf, sameType, type TypedArray } from '../../src/ir/types.ts'
import { generatorOf } from '../generators.ts'

describe('the table', () => {
  it('has the primitives of the design, each once', () => {
    const names = `input state constant literal iota
      neg abs sign floor ceil round exp expm1 log log1p sqrt rsqrt sin cos tanh sigmoid erf normalPdf normalCdf gelu silu geluTanh not cast bitcast stopGradient
      add sub mul div rem pow max min atan2 eq ne lt le gt ge and or xor shl shr select
      reshape permute broadcast slice flip pad concat window sum reduceMax reduceMin prod argmax argmin cumsum
      contract gather scatterAdd overlapAdd randomBits scan custom customTangent`.split(/\s+/)
    expect(ops().map((d) => d.name).sort()).toEqual(names.sort())
  })
  it('is read by name', () => {
    for (const def of ops()) expect(opNamed(def.name)).toBe(def)
    for (const name of ['', 'constructor', '__proto__', 'Add']) {
      expect(isOp(name)).toBe(false)
      expect(() => opNamed(name)).toThrow(/internal error in ops/)
    }
  })
  it('tells of each op how it moves, or why it does not', () => {
    for (const { name, lowering, derivative, tangent, transpose } of ops()) {
      if (lowering.kind === 'leaf') continue
      if (derivative) expect([name, tangent, transpose]).toEqual([name, undefined, undefined])
      // Loops are linearised as a whole; what has no loops at all is linear already.
      else if (lowering.kind === 'region') expect([name, tangent, transpose]).toEqual([name, undefined, undefined])
      else expect([name, typeof (lowering.kind === 'opaque' ? transpose : tangent)]).toEqual([name, 'function'])
    }
  })
})

const value = (n: Node, inputs: Readonly<Record<string, ArrayLike<number>>>): TypedArray =>
  evaluateNodes([n], { inputs }, { precision: 'f64' }).get(n)!

describe('operands of commutative ops may be exchanged', () => {
  for (const { name } of ops().filter((d) => d.commutative)) {
    it(name, () => {
      fc.assert(fc.property(generatorOf(name, { special: true }), ({ node, inputs }) => {
        const [x, y] = node.operands
        const other = node.builder.make(name, [y, x], node.attrs)
        expect([...evaluateNodes([other], { inputs }).get(other)!]).toEqual([...evaluateNodes([node], { inputs }).get(node)!])
      }))
    })
  }
})

const dot = (a: TypedArray, b: TypedArray): number => Array.from(a).reduce((s, v, i) => s + v * b[i], 0)
/** Small whole numbers: sums of their products are exact, so that both sides of an identity are equal to the bit. */
function whole(n: Node, salt: number): Node {
  const values = Float64Array.from({ length: sizeOf(n.shape) }, (_, i) => ((i * 5 + salt) % 7) - 3)
  return n.builder.constant(values, { dtype: 'f64', shape: n.shape })
}

/**
 * ⟨ct, L dx⟩ = ⟨Lᵀ ct, dx⟩ for every operand in which an op is linear: its transpose is the adjoint of its own tangent.
 * div scales by operand 1, which is a power of two here so that this holds exactly as well.
 */
describe('the transpose is the adjoint of the tangent, operand by operand', () => {
  for (const def of ops().filter((d) => d.transpose && d.lowering.kind !== 'opaque')) {
    it(def.name, () => {
      let compared = 0
      fc.assert(fc.property(generatorOf(def.name, { smooth: true }), fc.nat(6), ({ builder, node: drawn }, salt) => {
        const base = drawn.operands.map((x, i) => {
          if (x.dtype !== 'f64') return null
          const v = whole(x, salt + i)
          return def.name === 'div' && i === 1 ? builder.literal(4, x) : v
        })
        const operands = drawn.operands.map((x, i) => base[i] ?? fixed(x, salt))
        const attrs = def.name === 'pad' ? { ...drawn.attrs, value: 0 } : drawn.attrs
        const node = builder.make(def.name, operands, attrs)
        const ct = whole(node, salt + 11)
        operands.forEach((x, at) => {
          if (!isFloat(x.dtype)) return
          const dx = whole(x, salt + 23 + at)
          const moved: Maybe = def.tangent!(builder, operands.map((_, i) => (i === at ? dx : null)), operands, node)
          const back = def.transpose!(builder, ct, node, at)
          if (def.name === 'div' && at === 1) return expect(back).toBeNull()
          expect(moved && sameType(moved, node)).toBe(true)
          expect(back && sameType(back, x)).toBe(true)
          compared += sizeOf(x.shape)
          expect(dot(value(ct, {}), value(moved!, {}))).toBe(dot(value(back!, {}), value(dx, {})))
        })
      }), { numRuns: 60 })
      expect(compared).toBeGreaterThan(0)
    })
  }
})

/** Conditions and indices with values of their own, clamped ones among them. */
function fixed(x: Node, salt: number): Node {
  const drawn = Array.from({ length: sizeOf(x.shape) }, (_, i) => (i * 3 + salt) % 5)
  return x.builder.constant(x.dtype === 'bool' ? Uint8Array.from(drawn, (v) => v % 2) : Int32Array.from(drawn, (v) => v - 1), x)
}

it('rules are closed: they use no op outside the table, and keep symbolic zeros', () => {
  for (const def of ops().filter((d) => d.tangent)) {
    fc.assert(fc.property(generatorOf(def.name, { smooth: true }), ({ builder, node }) => {
      expect(def.tangent!(builder, node.operands.map(() => null), node.operands, node)).toBeNull()
      const d = node.operands.map((x, i) => (isFloat(x.dtype) ? builder.input(`d${i}`, x) : null))
      const moved = def.tangent!(builder, d, node.operands, node)
      if (moved) for (const n of topological([moved])) expect(isOp(n.op)).toBe(true)
    }), { numRuns: 20 })
  }
})

it('a rule that is differentiated twice, by hand: x³ as a product has the derivatives 3x² and 6x', () => {
  const b = new Builder()
  const x = b.input('x', { dtype: 'f64', shape: [] })
  const rows = b.make('concat', [0, 1, 2].map(() => b.make('reshape', [x], { shape: [1] })), { axis: 0 })
  const cube = b.make('prod', [rows], { axes: [0] })
  // d moves along the path concat → prod; then again, through the nodes that the first rule made.
  const moved = (n: Node, seeds: ReadonlyMap<Node, Node>): Maybe => {
    const tangents = new Map<Node, Maybe>(seeds)
    for (const m of topological([n])) {
      if (tangents.has(m)) continue
      const d = m.operands.map((o) => tangents.get(o) ?? null)
      tangents.set(m, d.some((t) => t) ? (opNamed(m.op).tangent?.(b, d, m.operands, m) ?? null) : null)
    }
    return tangents.get(n) ?? null
  }
  const seed = new Map([[x, b.literal(1, x)]])
  const first = moved(cube, seed)!
  const second = moved(first, seed)!
  for (const at of [-2, 0, 3]) {
    expect([first, second].map((n) => value(n, { x: [at] })[0])).toEqual([3 * at * at, 6 * at])
  }
})
