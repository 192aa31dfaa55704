import type { Node } from '../ir/graph.ts'
import type { Binding, Plan, RowsPlan } from '../ir/plan.ts'
import { carriedBy, depthOf } from '../ir/rows.ts'
import { showType } from '../ir/types.ts'
import { columns } from './terminal.ts'

/** A plan as text: buffers with their places and lifetimes, kernels in order with what they read and write. */
export function planText(plan: Plan): string {
  return `${lines(plan).join('\n')}\n`
}

/** Parts of a row kernel, and what lives for a row only. */
function rowsLines({ axes, parts, locals, scratch }: RowsPlan): string[] {
  const steps = axes.map((a) => (a.points > 1 ? `${a.steps} of ${a.points}` : String(a.steps))).join(' × ')
  const values = (nodes: readonly Node[]): string => nodes.map((n) => `%${n.id} ${showType(n)}`).join(', ')
  const local = locals.length ? `; of ${values(locals.map((l) => l.node))} one row at a time, in #${scratch}` : ''
  return [`       rows ${steps}${local}`, ...parts.map((p) => `         ${p.core?.op ?? 'map'} → ${values(p.stores)}${carriedBy(p).length ? ', a sum over rows' : depthOf(p) < axes.length ? ', after all rows' : ''}`)]
}

function lines(plan: Plan): string[] {
  const label = (id: number): string => `#${id}${plan.buffers[id].name ? ` ${plan.buffers[id].name}` : ''}`
  const list = (bindings: readonly Binding[]): string => bindings.map((b) => label(b.buffer)).join(', ') || '-'
  const buffers = plan.buffers.map((b) =>
    [`#${b.id}`, b.region, String(b.offset), String(b.bytes), `${b.from}..${b.to}`, showType(b.type), b.name])
  const head = ['buffer', 'region', 'offset', 'bytes', 'kernels', 'type', 'name']
  const named = (what: string, slots: Plan['inputs']): string =>
    `${what} ${slots.map((s) => `${JSON.stringify(s.name)} #${s.buffer}`).join(', ') || '-'}`
  const kernels = plan.kernels.flatMap((k, i) => {
    const row = `  ${String(i).padStart(3)}  ${k.name}  reads ${list(k.loads)}  writes ${list(k.stores)}`
    if (k.rows) return [row, ...rowsLines(k.rows)]
    if (!k.loop) return [row]
    const { length, reverse, plan: body, stateBytes } = k.loop
    const order = reverse ? ', from the last to the first' : ''
    const title = `       ${length} steps${order}; carries ${stateBytes} bytes, in #${k.loop.scratch}`
    return [row, title, ...lines(body).map((line) => `       ${line}`)]
  })
  return [
    `plan ${JSON.stringify(plan.name)}: arena ${plan.arenaBytes} bytes (lower bound ${plan.lowerBound})`,
    named('inputs', plan.inputs),
    named('results', plan.results),
    ...columns([head, ...buffers], [2, 3]).trimEnd().split('\n'),
    ...kernels,
  ]
}
