import { lowerPlan } from '../../src/codegen/lower.ts'
import type { LoweredKernel, LoweredProgram, Nest } from '../../src/codegen/nest.ts'
import type { Affine } from '../../src/ir/affine.ts'
import type { Expr } from '../../src/ir/expression.ts'
import type { Node } from '../../src/ir/graph.ts'
import type { Buffer, Kernel, Plan } from '../../src/ir/plan.ts'
import { bytesOf } from '../../src/ir/types.ts'

/** A kernel to be placed: nodes in `alias` share the buffer of another node. */
export interface Step {
  readonly core: Node | null
  readonly loads: readonly Node[]
  readonly stores: readonly Node[]
}

/** A plan by hand: each node has a buffer of its own in the arena, in order of mention, unless it is aliased. */
export function planOf(
  steps: readonly Step[],
  alias: ReadonlyMap<Node, Node> = new Map(),
): { plan: Plan; address: (node: Node) => number } {
  const buffers: Buffer[] = []
  const ids = new Map<Node, number>()
  let offset = 0
  const bind = (node: Node): { node: Node; buffer: number } => {
    const owner = alias.get(node) ?? node
    let id = ids.get(owner)
    if (id === undefined) {
      id = buffers.length
      ids.set(owner, id)
      const name = String(owner.attrs.name ?? owner.op)
      buffers.push({ id, type: owner, region: 'arena', offset, bytes: bytesOf(owner), name, from: 0, to: steps.length })
      offset += Math.ceil(bytesOf(owner) / 16) * 16
    }
    return { node, buffer: id }
  }
  const kernels = steps.map(
    ({ core, loads, stores }, i): Kernel => ({ name: `k${i}`, core, loads: loads.map(bind), stores: stores.map(bind) }),
  )
  const plan = { name: 'f', kernels, buffers, inputs: [], results: [], arenaBytes: offset, lowerBound: offset } as unknown as Plan
  return { plan, address: (node) => buffers[ids.get(alias.get(node) ?? node)!].offset }
}

export const BASES = { state: 0, constant: 0, arena: 0 }

/** The program of one hand-made plan. */
export function lowered(
  steps: readonly Step[],
  alias?: ReadonlyMap<Node, Node>,
): { program: LoweredProgram; address: (node: Node) => number } {
  const { plan, address } = planOf(steps, alias)
  return { program: { functions: [lowerPlan(plan, BASES)], memoryBytes: plan.arenaBytes }, address }
}

/** Nests of one kernel as text, for tests to show what lowering made. */
export function showKernel(kernel: LoweredKernel): string {
  return kernel.nests.map((n) => showNest(n, kernel)).join('\n')
}

function showNest(n: Nest, kernel: LoweredKernel): string {
  const names = [...n.free.map((_, i) => `i${i}`), ...n.reduced.map((_, i) => `r${i}`)]
  const expr = (e: Expr): string => {
    switch (e.kind) {
      case 'lit':
        return Object.is(e.value, -0) ? '-0' : String(e.value)
      case 'core':
        return 'core'
      case 'load':
        return `@${kernel.address(e.node)}[${form(e.index, names)}]`
      case 'gather':
        return `@${kernel.address(e.node)}[${form(e.index, names)} + clamp(${expr(e.args[0])}, ${e.limit}) * ${e.stride}]`
      case 'position':
        return `${e.dtype}(${form(e.index, names)})`
      case 'random':
        return `random(${[...e.args.map(expr), form(e.index, names)].join(', ')})`
      case 'rarely':
        return `rarely(${e.args.map(expr).join(', ')}, ${e.routine.name})`
      case 'scalar':
        return `${e.op}${e.op === 'cast' || e.op === 'bitcast' ? ` ${e.dtype}` : ''}(${e.args.map(expr).join(', ')})`
    }
  }
  const axes = (extents: readonly number[], from: number): string => extents.map((d, i) => `${names[from + i]} < ${d}`).join(', ')
  const running = n.running ? 'running ' : ''
  const fold = n.combine ? [`${running}${n.combine} over ${axes(n.reduced, n.free.length)}: ${expr(n.value!)}`] : []
  const stores = n.stores.map((s) => {
    const indirect = s.indirect ? ` + clamp(${expr(s.indirect.at)}, ${s.indirect.limit}) * ${s.indirect.stride}` : ''
    return `@${s.address}[${form(s.index, names)}${indirect}] ${s.accumulate ? '+=' : '='} ${expr(s.value)}`
  })
  return [`for ${axes(n.free, 0)}`.trim(), ...[...fold, ...stores].map((l) => `  ${l}`)].join('\n')
}

function form(a: Affine, names: readonly string[]): string {
  const terms = a.coefficients.flatMap((c, i) => (c === 0 ? [] : [c === 1 ? names[i] : `${c} ${names[i]}`]))
  if (a.offset || !terms.length) terms.push(String(a.offset))
  return terms.join(' + ')
}
