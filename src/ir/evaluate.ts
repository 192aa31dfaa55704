import { evaluate as at, identity, type AffineMap } from './affine.ts'
import { GradcError, InternalError, showNode } from './errors.ts'
import { rootsOf, topological, type Graph, type Node } from './graph.ts'
import { kept, numberAt } from './half.ts'
import { numeric, type Num, type Precision } from './numeric.ts'
import type { Combine } from './op.ts'
import { opNamed } from './ops/index.ts'
import { randomWord } from './philox.ts'
import { contractSpace, reduceSpace } from './resolve.ts'
import type { Arith } from './scalar.ts'
import { evaluateScan } from './evaluate-scan.ts'
import { DTYPES, isFloat, rowMajor, sizeOf, type Shape, type TypedArray } from './types.ts'

/** How the reference evaluator computes. */
export interface EvaluateOptions {
  /** `declared` (default) rounds every operation to its dtype; `f64` computes all floats in doubles and gives Float64Arrays. */
  readonly precision?: Precision
}

/** Values by name; arrays in row-major order. Of f16 and bf16 a Uint16Array holds bits, any other array numbers. */
export type Values = Readonly<Record<string, ArrayLike<number>>>

/** What a function gives: its results, and the new values of the states that it updates. */
export interface Evaluation {
  readonly results: Record<string, TypedArray>
  readonly updates: Record<string, TypedArray>
}

/**
 * Evaluates a function by the most naive loops there are, one node at a time: the meaning of every op.
 * Errors: input/missing, state/unknown, input/length.
 */
export function evaluate(graph: Graph, given: { readonly inputs?: Values; readonly states?: Values }, options: EvaluateOptions = {}): Evaluation {
  const values = evaluateNodes(rootsOf(graph), given, options)
  const pick = (named: Graph['results']): Record<string, TypedArray> => Object.fromEntries(named.map(({ name, node }) => [name, values.get(node)!]))
  return { results: pick(graph.results), updates: pick(graph.updates) }
}

/** Evaluates nodes and everything below them. `known` gives values of nodes that need not be computed. */
export function evaluateNodes(
  roots: readonly Node[],
  given: { readonly inputs?: Values; readonly states?: Values; readonly known?: ReadonlyMap<Node, ArrayLike<number>> },
  { precision = 'declared' }: EvaluateOptions = {},
): Map<Node, TypedArray> {
  const values = new Map<Node, TypedArray>()
  const k = numeric(precision)
  const stored = (node: Node, from: ArrayLike<number>): TypedArray => {
    const size = sizeOf(node.shape)
    if (from.length !== size) throw new GradcError('input/length', `${showNode(node)} has ${size} elements, given ${from.length}`)
    const array = empty(node, precision)
    const same = from.constructor === array.constructor
    for (let i = 0; i < size; i++) array[i] = same ? from[i] : kept(numberAt(from, i, node.dtype), node.dtype, array)
    return array
  }
  const loops = new Map<Graph, { readonly operands: readonly Node[]; readonly results: readonly TypedArray[] }[]>()
  const scan = (node: Node): TypedArray => {
    const among = loops.get(node.regions[0]) ?? []
    loops.set(node.regions[0], among)
    let loop = among.find((l) => l.operands.every((o, i) => o === node.operands[i]))
    if (!loop) {
      const xs = node.operands.map((o) => values.get(o)!)
      const stacked = (like: Node, length: number): TypedArray => empty(like, precision, length)
      const results = evaluateScan(node, xs, stacked, (body, inputs) => {
        const inner = evaluateNodes(rootsOf(body), { known: inputs }, { precision })
        return body.results.map((r) => inner.get(r.node)!)
      })
      among.push((loop = { operands: node.operands, results }))
    }
    return loop.results[node.attrs.index as number]
  }
  for (const node of topological(roots)) {
    const known = given.known?.get(node)
    const lowering = opNamed(node.op).lowering
    if (known) values.set(node, stored(node, known))
    else if (lowering.kind === 'leaf' && (lowering.leaf === 'input' || lowering.leaf === 'state')) {
      values.set(node, stored(node, lookUp(node, lowering.leaf, lowering.leaf === 'input' ? given.inputs : given.states)))
    } else if (lowering.kind === 'region') values.set(node, scan(node))
    else values.set(node, compute(node, node.operands.map((o) => values.get(o)!), k, precision))
  }
  return values
}

function lookUp(node: Node, leaf: 'input' | 'state', values: Values | undefined): ArrayLike<number> {
  const name = node.attrs.name as string
  if (values && Object.hasOwn(values, name)) return values[name]
  throw new GradcError(leaf === 'input' ? 'input/missing' : 'state/unknown', `no value was given for ${showNode(node)}`)
}

/** Room for a node's value, or for `times` of them. */
function empty(node: Node, precision: Precision, times = 1): TypedArray {
  return new (precision === 'f64' && isFloat(node.dtype) ? Float64Array : DTYPES[node.dtype].array)(times * sizeOf(node.shape))
}

/** Calls `visit` with every coordinate of a space, in row-major order. */
export function everyCoordinate(shape: Shape, visit: (c: readonly number[], index: number) => void): void {
  const size = sizeOf(shape)
  const c = new Array<number>(shape.length).fill(0)
  for (let i = 0; i < size; i++) {
    visit(c, i)
    for (let a = shape.length - 1; a >= 0 && ++c[a] === shape[a]; a--) c[a] = 0
  }
}

const place = (map: AffineMap, strides: readonly number[], c: readonly number[]): number => map.reduce((s, f, i) => s + strides[i] * at(f, c), 0)

function compute(node: Node, xs: readonly TypedArray[], k: Arith<Num>, precision: Precision): TypedArray {
  const out = empty(node, precision)
  const num = (i: number, value: number): Num => ({ value, dtype: node.operands[i].dtype })
  const lowering = opNamed(node.op).lowering
  switch (lowering.kind) {
    case 'leaf':
      return leaf(node, lowering.leaf, out)
    case 'pointwise':
      for (let i = 0; i < out.length; i++) {
        const operands = xs.map((x, j) => num(j, numberAt(x, i, node.operands[j].dtype)))
        out[i] = kept(lowering.scalar(k, operands, node.attrs).value, node.dtype, out)
      }
      return out
    case 'view': {
      if (lowering.view === 'reshape') return out.map((_, i) => xs[0][i]) as TypedArray
      if (lowering.view === 'affine') {
        const [map, strides] = [lowering.source(node), rowMajor(node.operands[0].shape)]
        everyCoordinate(node.shape, (c, i) => void (out[i] = xs[0][place(map, strides, c)]))
        return out
      }
      out.fill(kept(lowering.fill(node), node.dtype, out))
      const strides = rowMajor(node.shape)
      node.operands.forEach((operand, j) => {
        const map = lowering.target(node, j)
        everyCoordinate(operand.shape, (c, i) => void (out[place(map, strides, c)] = xs[j][i]))
      })
      return out
    }
    case 'reduce': {
      const { extents, free, operand } = reduceSpace(node)
      const strides = rowMajor(node.operands[0].shape)
      everyCoordinate(extents.slice(0, free), (outer, i) => {
        const terms: Num[] = []
        everyCoordinate(extents.slice(free), (inner) => void terms.push(num(0, xs[0][place(operand, strides, [...outer, ...inner])])))
        out[i] = FOLD[lowering.combine](k, terms, node)
      })
      return out
    }
    case 'cumulate': {
      const axis = node.attrs.axis as number
      const step = rowMajor(node.shape)[axis]
      everyCoordinate(node.shape, (c, i) => {
        out[i] = k.add(c[axis] === 0 ? k.lit(0, node.dtype) : num(0, out[i - step]), num(0, xs[0][i])).value
      })
      return out
    }
    case 'contract': {
      const { extents, free, operands } = contractSpace(node)
      const strides = node.operands.map((o) => rowMajor(o.shape))
      everyCoordinate(extents.slice(0, free), (outer, i) => {
        let total = k.lit(0, node.dtype)
        everyCoordinate(extents.slice(free), (inner) => {
          const c = [...outer, ...inner]
          total = k.add(total, k.mul(num(0, xs[0][place(operands[0], strides[0], c)]), num(1, xs[1][place(operands[1], strides[1], c)])))
        })
        out[i] = total.value
      })
      return out
    }
    case 'gather': {
      const [table, index] = node.operands
      const axis = node.attrs.axis as number
      everyCoordinate(node.shape, (c, i) => void (out[i] = xs[0][clampedPlace(table.shape, axis, index.shape, xs[1], c)]))
      return out
    }
    case 'scatter': {
      if (lowering.scatter === 'affine') {
        const [map, strides] = [lowering.target(node), rowMajor(node.shape)]
        everyCoordinate(node.operands[0].shape, (c, i) => add(out, place(map, strides, c), xs[0][i]))
        return out
      }
      out.set(xs[0] as never)
      const [, index, updates] = node.operands
      everyCoordinate(updates.shape, (c, i) => add(out, clampedPlace(node.shape, node.attrs.axis as number, index.shape, xs[1], c), xs[2][i]))
      return out
    }
    case 'random':
      return out.map((_, i) => randomWord(i, xs[1][0], [xs[0][0], xs[0][1]])) as TypedArray
    default:
      throw new InternalError('evaluator', `there is no meaning for lowering kind ${lowering.kind}`, showNode(node))
  }
  function add(array: TypedArray, i: number, value: number): void {
    array[i] = k.add({ value: array[i], dtype: node.dtype }, { value, dtype: node.dtype }).value
  }
}

function leaf(node: Node, kind: string, out: TypedArray): TypedArray {
  if (kind === 'literal') return out.fill(kept(node.attrs.value as number, node.dtype, out))
  if (kind === 'constant') {
    const values = node.attrs.values as TypedArray
    return out.map((_, i) => (values.constructor === out.constructor ? values[i] : numberAt(values, i, node.dtype))) as TypedArray
  }
  everyCoordinate(node.shape, (c, i) => void (out[i] = c[node.attrs.axis as number]))
  return out
}

/** Where a gathered coordinate lies in its table: the index's axes stand in place of `axis`, indices are clamped. */
function clampedPlace(table: Shape, axis: number, indexShape: Shape, index: TypedArray, c: readonly number[]): number {
  const r = indexShape.length
  const position = index[place(identity(r), rowMajor(indexShape), c.slice(axis, axis + r))]
  const row = Math.min(Math.max(position, 0), table[axis] - 1)
  return [...c.slice(0, axis), row, ...c.slice(axis + r)].reduce((s, v, i) => s + v * rowMajor(table)[i], 0)
}

const position = (beats: (a: number, b: number) => boolean) => (_: Arith<Num>, terms: readonly Num[]): number => {
  let best = 0
  for (let i = 1; i < terms.length; i++) {
    const [v, w] = [terms[i].value, terms[best].value]
    if (!Number.isNaN(w) && (Number.isNaN(v) || beats(v, w))) best = i
  }
  return best
}

const FOLD: { readonly [C in Combine]: (k: Arith<Num>, terms: readonly Num[], node: Node) => number } = {
  sum: (k, terms, node) => terms.reduce((s, t) => k.add(s, t), k.lit(0, node.dtype)).value,
  prod: (k, terms, node) => terms.reduce((s, t) => k.mul(s, t), k.lit(1, node.dtype)).value,
  max: (k, terms) => terms.reduce((s, t) => k.max(s, t)).value,
  min: (k, terms) => terms.reduce((s, t) => k.min(s, t)).value,
  argmax: position((a, b) => a > b),
  argmin: position((a, b) => a < b),
}

/**
 * The first value in the graph that is not finite although all that it was computed from was: an input or state that
 * already was so, or the op that made it. Infinite literals and constants are taken as meant; if a NaN comes of one, the
 * op that makes the NaN is named. Says which, with its type and declaration; null if there is nothing to blame.
 */
export function firstNonFinite(graph: Graph, inputs: Values, states: Values): string | null {
  const roots = rootsOf(graph)
  const values = evaluateNodes(roots, { inputs, states })
  const numbers = (n: Node): number[] => Array.from(values.get(n)!, (_, i) => numberAt(values.get(n)!, i, n.dtype))
  const isBad = (n: Node): boolean => isFloat(n.dtype) && numbers(n).some((v) => !Number.isFinite(v))
  const isNaN = (n: Node): boolean => isFloat(n.dtype) && numbers(n).some(Number.isNaN)
  // An infinity that was written down is a mask, not a fault, until a NaN comes of it or it is what is returned.
  const isMask = (n: Node): boolean => {
    const { lowering } = opNamed(n.op)
    return lowering.kind === 'leaf' && (lowering.leaf === 'literal' || lowering.leaf === 'constant') && !isNaN(n)
  }
  const order = topological(roots)
  const starts = order.filter((n) => isBad(n) && !n.operands.some(isBad))
  const firstNaN = (): Node | undefined => order.find((n) => isNaN(n) && !n.operands.some(isNaN))
  const first = starts.find((n) => !isMask(n)) ?? firstNaN() ?? (roots.some(isBad) ? starts[0] : null)
  if (!first) return null
  const found = numbers(first)
  const at = found.findIndex(isNaN(first) ? Number.isNaN : (v) => !Number.isFinite(v))
  const from = first.operands.map((o) => `\n  from ${showNode(o)}`).join('')
  return `${found[at]} first in ${showNode(first)}, element ${at}${from}`
}
