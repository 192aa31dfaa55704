import { Builder } from '../../ir/builder.ts'
import type { Graph, Named, Node } from '../../ir/graph.ts'
import type { Maybe } from '../../ir/op.ts'
import { scanAttrs, scanSpec, type ScanSpec } from '../../ir/ops/region.ts'
import { transplant } from '../../ir/transplant.ts'
import type { TensorType } from '../../ir/types.ts'
import { operandsFirst } from '../../ir/walk.ts'
import { loweringOf } from '../fuse/kinds.ts'
import { cheapestCut, coefficientsOf, steadyUnder } from './cut.ts'
import { placeholder } from './placeholder.ts'
import { layer, stack, stacksOf } from './stack.ts'

/** Forward mode within a body: the tangents of results when the seeded nodes are perturbed. */
export type Tangents = (results: readonly Node[], seeds: ReadonlyMap<Node, Node>) => Maybe[]

/**
 * The linear part of a loop: its carries are tangents, and what they are multiplied by comes in from outside. Where its
 * operands come from is told in terms of the primal loop.
 */
interface LinearLoop {
  readonly body: Graph
  /** Which primal carries have a tangent. */
  readonly carries: readonly number[]
  readonly scanned: readonly Source[]
  readonly captured: readonly Source[]
  /** Result of the primal loop → result of this one. */
  readonly results: ReadonlyMap<number, number>
  /** The primal body with what must be kept of each step as further outputs. */
  readonly kept: Graph
}

type Source =
  | { readonly from: 'tangent' | 'operand'; readonly at: number }
  /** An output of the kept loop. */
  | { readonly from: 'kept'; readonly at: number }
  /** Depends on captured operands alone: made once, outside. */
  | { readonly from: 'invariant'; readonly node: Node }

const linearised = new WeakMap<Graph, Map<string, LinearLoop>>()

/**
 * The tangent of one result of a loop: a result of the linear loop over tangents, which reads what the primal one kept of
 * each step. The same primal loop gives the same linear loop, so that all its results are computed together.
 */
export function tangentOfScan(node: Node, d: readonly Maybe[], tangentsOf: Tangents): Maybe {
  const spec = scanSpec(node.attrs)
  const [body] = node.regions
  const given = d.map((x) => (x ? 1 : 0)).join('')
  const known = linearised.get(body) ?? new Map<string, LinearLoop>()
  linearised.set(body, known)
  const key = `${given} ${spec.recompute}`
  let linear = known.get(key)
  if (!linear) known.set(key, (linear = linearLoop(body, spec, d.map((x) => x !== null), tangentsOf)))
  const index = linear.results.get(spec.index)
  if (index === undefined) return null
  const b = node.builder
  const { kept } = linear
  const tangent = (at: number): Node => d[at] ?? b.zeros(node.operands[at])
  const source = (s: Source): Node => {
    switch (s.from) {
      case 'tangent':
        return tangent(s.at)
      case 'operand':
        return node.operands[s.at]
      case 'kept':
        return b.make('scan', node.operands, scanAttrs({ ...spec, index: s.at }), [kept])
      case 'invariant':
        return transplant(b, [s.node], new Map(body.inputs.map((input, i) => [input.node, node.operands[i]])))[0]
    }
  }
  const operands = [...linear.carries.map(tangent), ...linear.scanned.map(source), ...linear.captured.map(source)]
  const attrs = { ...spec, carries: linear.carries.length, scanned: linear.scanned.length, index }
  return b.make('scan', operands, scanAttrs(attrs), [linear.body])
}

function linearLoop(body: Graph, spec: ScanSpec, active: readonly boolean[], tangentsOf: Tangents): LinearLoop {
  const inputs = body.inputs.map((i) => i.node)
  const results = body.results.map((r) => r.node)
  const { seeds, tangents } = activeTangents(body, spec, active, tangentsOf)
  const kindOf = (at: number): 'carry' | 'scanned' | 'captured' =>
    at < spec.carries ? 'carry' : at < spec.carries + spec.scanned ? 'scanned' : 'captured'
  const seeded = inputs.flatMap((x, at) => (seeds.has(x) ? [at] : []))
  const carries = seeded.filter((at) => kindOf(at) === 'carry')
  const outputs = results.flatMap((_, i) => (i >= spec.carries && tangents[i] ? [i] : []))

  const b = new Builder()
  const declared: Named[] = []
  const declare = (name: string, type: TensorType): Node => {
    const node = b.input(name, type)
    declared.push({ name, node })
    return node
  }
  const replaced = new Map<Node, Node>()
  for (const at of carries) replaced.set(seeds.get(inputs[at])!, declare(`dc${at}`, inputs[at]))
  const scanned: Source[] = []
  const captured: Source[] = []
  const late: (() => void)[] = []
  const declareAs = (list: Source[], name: string, node: Node, source: Source, of: Node = node): void => {
    list.push(source)
    const place = (): void => void replaced.set(of, declare(name, node))
    if (list === scanned) place()
    else late.push(place)
  }
  for (const at of seeded) {
    const kind = kindOf(at)
    if (kind === 'carry') continue
    declareAs(kind === 'scanned' ? scanned : captured, `d${kind === 'scanned' ? 'x' : 'k'}${at}`, inputs[at], { from: 'tangent', at }, seeds.get(inputs[at]))
  }
  const roots = [...carries.map((at) => tangents[at] ?? body.builder.zeros(inputs[at])), ...outputs.map((i) => tangents[i]!)]
  const { needed, factors } = coefficientsOf(roots, new Set(seeds.values()), inputs)
  const steady = steadyUnder(needed, body, spec)
  const taken = cheapestCut(needed, { body, spec, steady })
  const kept: Named[] = [...body.results]
  const keptAt = (node: Node): number => {
    const name = `kept${kept.length}`
    return kept.push({ name, node }) - 1
  }
  const from = (node: Node): Source['from'] => {
    const at = inputs.indexOf(node)
    if (at >= 0 && kindOf(at) !== 'carry') return 'operand'
    return steady.has(node) ? 'invariant' : 'kept'
  }
  // What is read no more after the step, and products, whose cotangents are of all steps, too.
  const gone = operandsFirst(needed, () => true).filter((n) => {
    const at = inputs.indexOf(n)
    return !taken.includes(n) && !steady.has(n) && (at < 0 ? loweringOf(n).kind === 'contract' : kindOf(at) === 'scanned')
  })
  for (const nodes of stacksOf(taken.filter((n) => from(n) === 'kept' && !inputs.includes(n)), gone, factors)) {
    const whole = stack(nodes)
    declareAs(scanned, `r${nodes.map((n) => n.id).join('_')}`, whole, { from: 'kept', at: keptAt(whole) })
    nodes.forEach((n, i) => replaced.set(n, layer(replaced.get(whole)!, n.shape, i)))
  }
  for (const node of taken) {
    if (replaced.has(node)) continue
    const at = inputs.indexOf(node)
    switch (from(node)) {
      case 'kept':
        declareAs(scanned, `r${node.id}`, node, { from: 'kept', at: keptAt(node) })
        break
      case 'invariant':
        declareAs(captured, `i${node.id}`, node, { from: 'invariant', node })
        break
      default:
        declareAs(kindOf(at) === 'scanned' ? scanned : captured, `p${at}`, node, { from: 'operand', at })
    }
  }
  for (const place of late) place()
  const nodes = transplant(b, roots, replaced)
  const index = new Map<number, number>()
  carries.forEach((at, i) => index.set(at, i))
  outputs.forEach((i, j) => index.set(i, carries.length + j))
  const named = nodes.map((node, i) => ({ name: i < carries.length ? `c${i}` : `y${i - carries.length}`, node }))
  return {
    body: { name: 'linear', builder: b, inputs: declared, states: [], results: named, updates: [] },
    carries, scanned, captured, results: index,
    kept: { ...body, results: kept },
  }
}

/** Which inputs of the body have a tangent in some step, and the tangents of its results then: a fixed point. */
function activeTangents(
  body: Graph, spec: ScanSpec, given: readonly boolean[], tangentsOf: Tangents,
): { seeds: Map<Node, Node>; tangents: Maybe[] } {
  const inputs = body.inputs.map((i) => i.node)
  const results = body.results.map((r) => r.node)
  const seeds = new Map<Node, Node>()
  inputs.forEach((x, i) => {
    if (given[i]) seeds.set(x, placeholder(x, 'tangent'))
  })
  for (;;) {
    const tangents = tangentsOf(results, seeds)
    const missing = inputs.slice(0, spec.carries).filter((x, i) => tangents[i] && !seeds.has(x))
    if (!missing.length) return { seeds, tangents }
    for (const x of missing) seeds.set(x, placeholder(x, 'tangent'))
  }
}
