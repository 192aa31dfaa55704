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
    if (product) return overSteps(product, product.operands.map(allSteps))
    return carried.includes(at) ? result(carries.length + carried.indexOf(at)) : null
  })
}

/** What may differ from step to step: what depends on any of these. */
function dependents(on: readonly Node[], roots: readonly Node[]): Set<Node> {
  const varying = new Set(on)
  for (const n of topological(roots)) if (n.operands.some((o) => varying.has(o))) varying.add(n)
  return varying
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
