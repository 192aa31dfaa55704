import { Builder } from '../../ir/builder.ts'
import { topological, type Graph, type Named, type Node } from '../../ir/graph.ts'
import type { Maybe } from '../../ir/op.ts'
import { opNamed } from '../../ir/ops/index.ts'
import { scanAttrs, scanSpec } from '../../ir/ops/region.ts'
import { plus } from '../../ir/ops/rules.ts'
import { below, transplant } from '../../ir/transplant.ts'
import { labelsOf, specOf } from '../../ir/spec.ts'
import { placeholder } from './placeholder.ts'

/** A linear graph's cotangents: of the placeholders, from those of the nodes pulled. */
export type Transposed = (pulls: readonly { readonly tangent: Node; readonly cotangent: Node }[], placeholders: readonly Node[]) => Maybe[]

/** Results of one loop that is linear in some operands, and their cotangents. */
export interface LoopCotangents {
  readonly node: Node
  /** By result index. */
  readonly cotangents: ReadonlyMap<number, Node>
  /** Which operands carry a tangent. */
  readonly linear: readonly boolean[]
}

/**
 * Transposes a linear loop as a whole: a loop from its end, whose carries are the cotangents of its carries, whose outputs
 * are those of what it scanned, and which adds up those of what every step read whole. A cotangent for each operand.
 */
export function transposeScan({ node, cotangents, linear }: LoopCotangents, transposed: Transposed): Maybe[] {
  const spec = scanSpec(node.attrs)
  const [body] = node.regions
  const b = node.builder
  const isCarry = (at: number): boolean => at < spec.carries
  const isScanned = (at: number): boolean => !isCarry(at) && at < spec.carries + spec.scanned
  const by = body.inputs.flatMap((_, at) => (isCarry(at) || linear[at] ? [at] : []))
  const { active: carries, cts, arrived } = activeCotangents(body, spec.carries, new Set(cotangents.keys()), by, transposed)

  const outputs = [...cotangents.keys()].filter((i) => i >= spec.carries).sort((i, j) => i - j)
  const summed = by.filter((at) => !isCarry(at) && !isScanned(at) && arrived.get(at))
  const stacked = by.filter((at) => isScanned(at) && arrived.get(at))
  // A sum over steps of products is one product over all steps, after the loop; any other sum is a carry of its own. A loop
  // that keeps little cannot keep the factors of all steps either.
  const terms = summed.map((at) => arrived.get(at)!)
  const varying = dependents([...body.inputs.slice(0, spec.carries + spec.scanned).map((i) => i.node), ...cts.values()], terms)
  const products = new Map(summed.flatMap((at) => {
    const term = arrived.get(at)!
    const splits = !spec.recompute && term.operands.length === 2 && term.operands.every((o) => varying.has(o)) && opNamed(term.op).lowering.kind === 'contract'
    return splits ? [[at, term] as const] : []
  }))
  const carried = summed.filter((at) => !products.has(at))
  const sums = new Map(carried.map((at) => [at, placeholder(body.inputs[at].node, 'sum')]))
  const scannedInput = (n: Node): number => body.inputs.findIndex((x, at) => isScanned(at) && !linear[at] && x.node === n)
  const factors = [...new Set([...products.values()].flatMap((p) => p.operands.filter((o) => scannedInput(o) < 0)))]
  const roots = [
    ...carries.map((i) => arrived.get(i) ?? body.builder.zeros(body.inputs[i].node)),
    ...carried.map((at) => plus(sums.get(at)!, arrived.get(at)!)!),
    ...stacked.map((at) => arrived.get(at)!),
    ...factors,
  ]

  const own = new Builder()
  const inputs: Named[] = []
  const replaced = new Map<Node, Node>()
  const declare = (name: string, of: Node): void => {
    const input = own.input(name, of)
    inputs.push({ name, node: input })
    replaced.set(of, input)
  }
  for (const i of carries) declare(`c${i}`, cts.get(i)!)
  for (const at of carried) declare(`s${at}`, sums.get(at)!)
  for (const i of outputs) declare(`y${i}`, cts.get(i)!)
  const needed = new Set(below(roots, (n) => replaced.has(n)))
  const read = body.inputs.flatMap(({ node: x }, at) => (needed.has(x) ? [at] : []))
  const readScanned = read.filter(isScanned)
  const readWhole = read.filter((at) => !isScanned(at))
  for (const at of [...readScanned, ...readWhole]) declare(`p${at}`, body.inputs[at].node)
  const nodes = transplant(own, roots, replaced)
  const results = nodes.map((n, i) => ({ name: `r${i}`, node: n }))
  const region: Graph = { name: 'transposed', builder: own, inputs, states: [], results, updates: [] }

  const operands = [
    ...carries.map((i) => cotangents.get(i) ?? b.zeros(body.inputs[i].node)),
    ...carried.map((at) => b.zeros(body.inputs[at].node)),
    ...outputs.map((i) => cotangents.get(i)!),
    ...readScanned.map((at) => node.operands[at]),
    ...readWhole.map((at) => node.operands[at]),
  ]
  const attrs = {
    ...spec, reverse: !spec.reverse, carries: carries.length + carried.length, scanned: outputs.length + readScanned.length,
  }
  const result = (index: number): Node => b.make('scan', operands, scanAttrs({ ...attrs, index }), [region])
  const last = carries.length + carried.length
  const allSteps = (n: Node): Node => {
    const at = scannedInput(n)
    return at >= 0 ? node.operands[at] : result(last + stacked.length + factors.indexOf(n))
  }
  return node.operands.map((_, at) => {
    if (!linear[at]) return null
    if (isCarry(at)) return carries.includes(at) ? result(carries.indexOf(at)) : null
    if (isScanned(at)) return stacked.includes(at) ? result(last + stacked.indexOf(at)) : null
    const product = products.get(at)
    if (product) return overSteps(product, shifted(product.operands.map((n) => ({ steps: allSteps(n), elsewhere: needed.has(n) }))))
    return carried.includes(at) ? result(carries.length + carried.indexOf(at)) : null
  })
}

/** What may differ from step to step: what depends on any of these. */
function dependents(on: readonly Node[], roots: readonly Node[]): Set<Node> {
  const varying = new Set(on)
  for (const n of topological(roots)) if (n.operands.some((o) => varying.has(o))) varying.add(n)
  return varying
}

/** A factor in all steps, and whether the loop reads it, too. */
interface Factor {
  readonly steps: Node
  readonly elsewhere: boolean
}

/**
 * The factors of a product over all steps. What a carry was before each step is what it was after the step before; if it began as
 * zeros, the product needs neither the first step nor a second copy of all the others.
 */
function shifted(factors: readonly Factor[]): Node[] {
  const whole = factors.map((f) => f.steps)
  for (const [i, { steps, elsewhere }] of factors.entries()) {
    const after = elsewhere || steps.shape[0] < 2 ? null : afterSteps(steps)
    if (!after) continue
    const first = scanSpec(steps.attrs).reverse ? 0 : 1
    return whole.map((x, j) => allButOne(j === i ? after : x, j === i ? 1 - first : first))
  }
  return whole
}

/** If these are the values of a carry before each step, and zeros before the first: its values after each step. */
function afterSteps(steps: Node): Node | null {
  if (opNamed(steps.op).lowering.kind !== 'region') return null
  const [spec, [body]] = [scanSpec(steps.attrs), steps.regions]
  const at = body.inputs.findIndex((i) => i.node === body.results[spec.index].node)
  if (spec.index < spec.carries || at < 0 || at >= spec.carries || !isZero(steps.operands[at])) return null
  const next = body.results[at].node
  const known = body.results.findIndex((r, i) => i >= spec.carries && r.node === next)
  const index = known < 0 ? body.results.length : known
  const results = known < 0 ? [...body.results, { name: `kept${index}`, node: next }] : body.results
  return steps.builder.make('scan', steps.operands, scanAttrs({ ...spec, index }), [{ ...body, results }])
}

function isZero(node: Node): boolean {
  const { lowering } = opNamed(node.op)
  return lowering.kind === 'leaf' && lowering.leaf === 'literal' && node.attrs.value === 0
}

/** All steps but the first (`start` 1) or the last (0). */
function allButOne(steps: Node, start: number): Node {
  const [length, ...shape] = steps.shape
  const rest = shape.map(() => 0)
  return steps.builder.make('slice', [steps], { start: [start, ...rest], size: [length - 1, ...shape], step: steps.shape.map(() => 1) })
}

/** The contraction of one step, with the steps as a further label that is summed first. */
function overSteps(product: Node, operands: readonly Node[]): Node {
  const { x, y, out } = labelsOf(product.attrs.spec as string)!
  const step = [...STEP_LABELS].find((c) => !x.includes(c) && !y.includes(c))!
  return operands[0].builder.make('contract', operands, { spec: specOf({ x: step + x, y: step + y, out }) })
}

const STEP_LABELS = 'tsuvwabcdefghijklmnopqrxyzTSUVWABCDEFGHIJKLMNOPQRXYZ'

/** Which carries have a cotangent in some step, placeholders for those of all results, and what arrives at the inputs. */
function activeCotangents(
  body: Graph, carries: number, given: ReadonlySet<number>, by: readonly number[], transposed: Transposed,
): { active: number[]; cts: Map<number, Node>; arrived: Map<number, Maybe> } {
  const cts = new Map([...given].map((i) => [i, placeholder(body.results[i].node, 'cotangent')]))
  for (;;) {
    const pulls = [...cts].map(([i, cotangent]) => ({ tangent: body.results[i].node, cotangent }))
    const found = transposed(pulls, by.map((at) => body.inputs[at].node))
    const arrived = new Map(by.map((at, j) => [at, found[j]]))
    const missing = by.filter((at) => at < carries && arrived.get(at) && !cts.has(at))
    if (!missing.length) return { active: [...cts.keys()].filter((i) => i < carries).sort((i, j) => i - j), cts, arrived }
    for (const i of missing) cts.set(i, placeholder(body.results[i].node, 'cotangent'))
  }
}
