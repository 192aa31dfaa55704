// Every differentiable op, to second order: reverse mode against differences of values, forward mode against reverse mode,
// second derivatives against differences of gradients. All in doubles. GRADC_SEED=n draws other samples.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import { evaluateNodes } from '../../src/ir/evaluate.ts'
import { topological, type Node } from '../../src/ir/graph.ts'
import {
  cast, gather, greater, max, maximum, min, minimum, mul, pow, prod, rem, sum, where,
} from '../../src/ir/lang/index.ts'
import { opNamed, ops } from '../../src/ir/ops/index.ts'
import { isFloat, sizeOf, type TypedArray } from '../../src/ir/types.ts'
import { grad, jvp, vjp } from '../../src/passes/differentiate/gradient.ts'
import { computed, differentiable, generatorOf, reverseOnly, stream, type Sample } from '../generators.ts'
import { refusal } from '../passes/numbers.ts'

const seed = Number(process.env.GRADC_SEED ?? 20261121)
const RUNS = { seed, numRuns: 20 }
const CASES = differentiable()

/** A sample as a function of its float inputs, with weights for the result, two directions and their nodes. */
interface Case {
  readonly node: Node
  readonly wrt: readonly Node[]
  readonly values: ReadonlyMap<Node, ArrayLike<number>>
  /** Inputs of the result's type and of the values' types. */
  readonly weights: Node
  readonly directions: readonly Node[]
  readonly others: readonly Node[]
}

function caseOf({ builder, node, inputs }: Sample): Case {
  const next = stream(sizeOf(node.shape) + 7)
  const values = new Map<Node, ArrayLike<number>>()
  const declared = builder.inputs
  for (const { name, node: x } of declared) values.set(x, inputs[name])
  const random = (name: string, like: Node): Node => {
    const x = builder.input(name, like)
    values.set(x, Array.from({ length: sizeOf(like.shape) }, () => (0.5 + next()) * (next() < 0.5 ? -1 : 1)))
    return x
  }
  const wrt = declared.map((d) => d.node).filter((x) => isFloat(x.dtype))
  const each = (kind: string): Node[] => wrt.map((x, i) => random(`${kind}${i}`, x))
  return { node, wrt, values, weights: random('weights', node), directions: each('direction'), others: each('other') }
}

type Known = ReadonlyMap<Node, ArrayLike<number>>
const at = (nodes: readonly Node[], known: Known): TypedArray[] => {
  const values = evaluateNodes(nodes, { known }, { precision: 'f64' })
  return nodes.map((n) => values.get(n)!)
}
const dense = (ds: readonly (Node | null)[], like: readonly Node[]): Node[] =>
  ds.map((d, i) => d ?? like[i].builder.zeros(like[i]))
const dot = (xs: readonly ArrayLike<number>[], ys: readonly ArrayLike<number>[]): { value: number; size: number } => {
  let [value, size] = [0, 0]
  xs.forEach((x, i) => {
    for (let j = 0; j < x.length; j++) {
      value += x[j] * ys[i][j]
      size += Math.abs(x[j] * ys[i][j])
    }
  })
  return { value, size }
}

/** The values with the inputs moved along a direction. */
function moved({ wrt, values }: Case, direction: readonly ArrayLike<number>[], by: number): Known {
  const known = new Map(values)
  wrt.forEach((x, i) => known.set(x, Array.from(values.get(x)!, (v, j) => v + by * direction[i][j])))
  return known
}

/** Derivatives, and the magnitude below which they carry no six digits. */
interface Slopes {
  readonly slopes: number[]
  readonly floor: number
}

/**
 * The derivative of a vector along a direction by central differences of fourth order. The step shrinks until two steps
 * agree: a kink or a tie within reach of one step is out of reach of a smaller one.
 */
function differences(f: (known: Known) => Float64Array, c: Case, direction: readonly ArrayLike<number>[]): Slopes {
  const size = Math.max(1, ...c.wrt.flatMap((x) => Array.from(c.values.get(x)!, Math.abs)))
  const here = f(c.values)
  const estimate = (h: number): number[] => {
    const [a, b, d, e] = [-2, -1, 1, 2].map((k) => f(moved(c, direction, k * h)))
    return Array.from(here, (_, i) => (8 * (d[i] - b[i]) - (e[i] - a[i])) / (12 * h))
  }
  // Rounding of f costs about 2⁻⁵²·|f|/h: values below this floor carry no six digits.
  const floor = Math.max(1e-3, 1e-2 * here.reduce((m, v) => Math.max(m, Math.abs(v)), 0))
  let slopes = estimate(2 ** -11 * size)
  for (const exponent of [-12, -15, -18, -21, -24]) {
    const finer = estimate(2 ** exponent * size)
    if (slopes.every((s, i) => Math.abs(s - finer[i]) <= 1e-6 * Math.max(floor, Math.abs(s)))) return { slopes, floor }
    slopes = finer
  }
  throw new Error(`differences do not settle: ${slopes.join()}`)
}

function expectSlopes(actual: ArrayLike<number>, { slopes, floor }: Slopes): void {
  expect(actual.length).toBe(slopes.length)
  slopes.forEach((s, i) => {
    const error = Math.abs(actual[i] - s) / Math.max(floor, Math.abs(actual[i]) + Math.abs(s))
    expect(error, `[${i}] derivative ${actual[i]}, differences ${s}`).toBeLessThan(1e-6)
  })
}

/** A dense direction and a few along one element each. */
function directionsOf(c: Case): ArrayLike<number>[][] {
  const total = c.wrt.reduce((n, x) => n + sizeOf(x.shape), 0)
  const next = stream(total)
  const single = (k: number): number[][] => {
    let before = 0
    return c.wrt.map((x) => {
      const axis = new Array<number>(sizeOf(x.shape)).fill(0)
      if (k >= before && k < before + axis.length) axis[k - before] = 1
      before += axis.length
      return axis
    })
  }
  const some = Array.from({ length: Math.min(4, total) }, () => single(Math.floor(next() * total)))
  return [c.directions.map((d) => c.values.get(d)!), ...some]
}

/** The work of one evaluation must stay small: it is repeated a hundred times. */
const small = ({ node }: Sample): boolean => {
  const extents = [node, ...node.operands].map((n) => sizeOf(n.shape))
  return extents.reduce((a, b) => Math.max(a, b), 0) <= 400
}

const property = (op: string, check: (c: Case) => void): void => {
  fc.assert(fc.property(generatorOf(op, { smooth: true }).filter(small), (sample) => check(caseOf(sample))), RUNS)
}

describe.each(CASES)('%s', (op) => {
  test('reverse mode agrees with differences', () => {
    let floats = 0
    property(op, (c) => {
      floats += c.wrt.length
      const gradients = dense(vjp([c.node], c.wrt, [c.weights]), c.wrt)
      const values = at(gradients, c.values)
      expect(gradients.map((g) => [g.dtype, g.shape])).toEqual(c.wrt.map((x) => [x.dtype, x.shape]))
      const weights = c.values.get(c.weights)!
      const loss = (known: Known): Float64Array => Float64Array.of(dot(at([c.node], known), [weights]).value)
      for (const direction of directionsOf(c)) {
        expectSlopes([dot(values, direction).value], differences(loss, c, direction))
      }
    })
    expect(floats).toBeGreaterThan(0)
  })

  test(reverseOnly(op) ? 'forward mode is refused' : 'forward mode is its transpose', () => {
    property(op, (c) => {
      if (reverseOnly(op)) {
        expect(refusal(() => jvp([c.node], c.wrt, c.directions)).code).toBe('grad/forward')
        return
      }
      const pulled = dense(vjp([c.node], c.wrt, [c.weights]), c.wrt)
      const pushed = dense(jvp([c.node], c.wrt, c.directions), [c.node])
      const values = at([...pulled, ...pushed, ...c.directions, c.weights], c.values)
      const n = c.wrt.length
      const back = dot(values.slice(0, n), values.slice(n + 1, 2 * n + 1))
      const forth = dot([values[n]], [values.at(-1)!])
      expect(Math.abs(back.value - forth.value)).toBeLessThanOrEqual(1e-12 * Math.max(back.size, forth.size))
    })
  })

  if (opNamed(op).transpose) {
    // Also where no tangent rule makes use of it: tangents of a difference are sums of negations.
    test('its own transpose rule is that of its tangent rule', () => {
      property(op, (c) => {
        const { op: name, operands, attrs, builder } = c.node
        operands.forEach((x, i) => {
          if (!isFloat(x.dtype)) return
          const d = builder.input(`perturbation${i}`, x)
          const next = stream(i + 1)
          const known = new Map([...c.values, [d, Array.from({ length: sizeOf(x.shape) }, () => next() - 0.5)] as const])
          const perturbed = builder.make(name, operands.map((y, j) => (j === i ? d : y)), attrs)
          const back = opNamed(name).transpose!(builder, c.weights, perturbed, i)
          const forth = jvp([c.node], [x], [d])
          if (!back) return expect(name === 'div' && i === 1).toBe(true)
          const [transposed, tangent, ct, along] = at([back, dense(forth, [c.node])[0], c.weights, d], known)
          const [left, right] = [dot([transposed], [along]), dot([tangent], [ct])]
          expect(Math.abs(left.value - right.value)).toBeLessThanOrEqual(1e-12 * Math.max(left.size, right.size))
        })
      })
    })
  }

  test('second derivatives agree with differences of gradients, both ways round', () => {
    property(op, (c) => {
      const gradients = dense(vjp([c.node], c.wrt, [c.weights]), c.wrt)
      const along = dense(jvp(gradients, c.wrt, c.directions), c.wrt)
      const back = dense(vjp(gradients, c.wrt, c.others), c.wrt)
      const direction = c.directions.map((d) => c.values.get(d)!)
      const flat = (nodes: readonly Node[], known: Known): Float64Array =>
        Float64Array.from(at(nodes, known).flatMap((v) => [...v]))
      expectSlopes(flat(along, c.values), differences((known) => flat(gradients, known), c, direction))
      // ⟨other, H·direction⟩ = ⟨Hᵀ·other, direction⟩.
      const forth = dot(at(c.others, c.values), at(along, c.values))
      const reverse = dot(at(back, c.values), direction)
      expect(Math.abs(forth.value - reverse.value)).toBeLessThanOrEqual(1e-12 * Math.max(forth.size, reverse.size, 1e-3))
    })
  })
})

describe('without a derivative', () => {
  const barriers = ops().filter((d) => d.derivative !== undefined && d.arity !== 0).map((d) => d.name)
  const asked = new Set<string>()

  test.each(barriers)('%s keeps gradients away and says so', (op) => {
    fc.assert(fc.property(generatorOf(op), ({ builder, node }) => {
      const floats = builder.inputs.map((i) => i.node).filter((x) => x.dtype === 'f32' || x.dtype === 'f64')
      if (!floats.length) return
      asked.add(op)
      const loss = sum(node.dtype === 'f64' || node.dtype === 'f32' ? node : cast(node, 'f64'))
      const error = refusal(() => grad(loss, floats[0]))
      expect(error.code).toBe(opNamed(op).derivative === 'stopped' ? 'grad/independent' : 'grad/dtype')
      expect(error.problem).toContain(`only through ${op}`)
    }), RUNS)
  })

  test('all of them that take floats were asked', () => {
    const ints = ['not', 'and', 'or', 'xor', 'shl', 'shr', 'randomBits']
    expect([...asked].sort()).toEqual(barriers.filter((op) => !ints.includes(op)).sort())
  })
})

/** All nodes below the roots, those of bodies too. */
function withBodies(roots: readonly Node[]): Node[] {
  const own = topological(roots)
  return [...own, ...[...new Set(own.flatMap((n) => n.regions))].flatMap((r) => withBodies(r.results.map((x) => x.node)))]
}

describe('closure', () => {
  // The primitive set of the design; extrema over axes are called reduceMax and reduceMin in the table.
  const PRIMITIVES = new Set(`
    input state constant literal iota
    neg abs sign floor ceil round exp expm1 log log1p sqrt rsqrt sin cos tanh sigmoid erf normalPdf normalCdf gelu silu geluTanh not cast bitcast stopGradient
    add sub mul div rem pow max min atan2 eq ne lt le gt ge and or xor shl shr select
    reshape permute broadcast slice flip pad concat window
    sum reduceMax reduceMin prod argmax argmin cumsum contract gather scatterAdd overlapAdd randomBits scan custom
  `.trim().split(/\s+/))

  test('every op of the table is a primitive', () => {
    expect(computed().filter((name) => !PRIMITIVES.has(name))).toEqual([])
  })

  test.each(CASES)('derivatives of %s to second order are made of primitives', (op) => {
    fc.assert(fc.property(generatorOf(op, { smooth: true }), (sample) => {
      const c = caseOf(sample)
      const first = dense(vjp([c.node], c.wrt, [c.weights]), c.wrt)
      const tangents = reverseOnly(op) ? [] : dense(jvp([c.node], c.wrt, c.directions), [c.node])
      const second = [...vjp(first, c.wrt, c.others), ...vjp(tangents, c.wrt, tangents.map(() => c.weights)), ...jvp(first, c.wrt, c.directions)]
      const used = withBodies([...first, ...tangents, ...second.filter((n) => n !== null)])
      expect(used.map((n) => n.op).filter((name) => !PRIMITIVES.has(name))).toEqual([])
      expect(used.filter((n) => String(n.attrs.name).startsWith('\u0000'))).toEqual([])
    }), RUNS)
  })
})

describe('element types', () => {
  test.each(CASES)('derivatives of %s keep f32 and f64, also of empty tensors', (op) => {
    fc.assert(fc.property(generatorOf(op), (sample) => {
      if (sample.node.dtype !== 'f32' && sample.node.dtype !== 'f64') return
      const c = caseOf(sample)
      const first = dense(vjp([c.node], c.wrt, [c.weights]), c.wrt)
      const second = dense(vjp(first, c.wrt, c.others), c.wrt)
      for (const g of [first, second]) expect(g.map((n) => [n.dtype, n.shape])).toEqual(c.wrt.map((n) => [n.dtype, n.shape]))
    }), RUNS)
  })
})

describe('values that the generator stays away from', () => {
  const first = (f: (...xs: Node[]) => Node, ...values: readonly (readonly number[])[]): number[][] => {
    const b = new Builder()
    const xs = values.map((v, i) => b.input(`x${i}`, { dtype: 'f64', shape: v.length === 1 ? [] : [v.length] }))
    const y = f(...xs)
    const known = new Map(xs.map((x, i) => [x, values[i]]))
    return at(dense(vjp([y], xs, [b.one(y)]), xs), known).map((g) => [...g])
  }

  test.each([[5.3, 1.7, 3], [-5.3, 1.7, -3], [5.3, -1.7, -3], [0.4, 1.7, 0]])('rem(%d, %d): 1, and −trunc(x/y)', (x, y, q) => {
    expect(first(rem, [x], [y])).toEqual([[1], [-q]])
  })

  test('prod at zeros, to second order', () => {
    expect(first(prod, [2, 3, 5, 7])).toEqual([[105, 70, 42, 30]])
    expect(first(prod, [0, 3, 5])).toEqual([[15, 0, 0]])
    expect(first(prod, [0, 0, 5])).toEqual([[0, 0, 0]])
    // Along (1, 0, 0), the Hessian of xyz gives (0, z, y).
    const along = (x: Node): Node => mul(grad(prod(x), x), x.builder.constant(Float64Array.of(1, 0, 0), x))
    expect(first((x) => sum(along(x)), [0, 0, 5])).toEqual([[0, 5, 0]])
  })

  test('extrema over an axis split among all that tie', () => {
    expect(first(max, [2, 2, 1, 2])).toEqual([[1 / 3, 1 / 3, 0, 1 / 3]])
    expect(first(min, [2, 1, 1, 2])).toEqual([[0, 0.5, 0.5, 0]])
    expect(first(max, [2, NaN, 1])).toEqual([[NaN, NaN, NaN]])
  })

  test('maximum and minimum at a tie and at NaN', () => {
    expect(first(maximum, [2], [2])).toEqual([[0.5], [0.5]])
    expect(first(minimum, [2], [3])).toEqual([[1], [0]])
    expect(first(minimum, [NaN], [3])).toEqual([[NaN], [NaN]])
  })

  test('pow at 0', () => {
    expect(first(pow, [0], [2])).toEqual([[0], [0]])
    expect(first(pow, [3], [0])).toEqual([[0], [Math.log(3)]])
    expect(first(pow, [0], [0])).toEqual([[0], [0]])
    expect(first(pow, [-2], [3])[0]).toEqual([12])
  })

  test('an unselected arm gets a cotangent of zero, also where it is infinite', () => {
    expect(first((x) => where(greater(x, 0), x, 0), [-Infinity])).toEqual([[0]])
    expect(first((x, y) => where(greater(x, 0), x, mul(y, y)), [2], [Infinity])[0]).toEqual([1])
  })

  test('gather reads clamped places: their cotangents return there, and add up', () => {
    const index = (x: Node): Node => x.builder.constant(Int32Array.of(0, 2, 9, -4, 2), { dtype: 'i32', shape: [5] })
    expect(first((x) => gather(x, index(x)), [1, 2, 3])).toEqual([[2, 0, 3]])
  })

  test('floats of other widths: the gradient has the width of the value', () => {
    const b = new Builder()
    const x = b.input('x', { dtype: 'f32', shape: [] })
    const g = grad(mul(cast(x, 'f64'), cast(x, 'f64')), x)
    expect(g.dtype).toBe('f32')
    expect([...at([g], new Map([[x, [1.5]]]))[0]]).toEqual([3])
  })
})
