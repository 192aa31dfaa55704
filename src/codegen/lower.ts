import { InternalError } from '../ir/errors.ts'
import { Expressions } from '../ir/expression.ts'
import type { Node } from '../ir/graph.ts'
import type { Buffer, Kernel, LoopPlan, Plan, Region, RowsPlan } from '../ir/plan.ts'
import { DTYPES, showType } from '../ir/types.ts'
import { expandNest } from './lower/expand.ts'
import { nestsOf, type Placed } from './lower/nests.ts'
import { mergeRows, nestsInRows } from './lower/rows.ts'
import { simplifyNest } from './lower/simplify.ts'
import type { LoweredKernel, LoweredProgram, Nest } from './nest.ts'

/** Byte address of each region in the program's memory; multiples of 16. */
export type Bases = { readonly [R in Exclude<Region, 'outer'>]: number }

type Address = (buffer: Buffer) => number

/**
 * Turns a plan's kernels into loop nests over one memory: every node a load at a fixed address or an expression, axes
 * merged where accesses allow, transcendental functions and casts of f16 and bf16 expanded.
 */
export function lowerPlan(plan: Plan, bases: Bases): LoweredProgram['functions'][number] {
  const address = ({ region, offset, name }: Buffer): number => {
    if (region === 'outer') throw new InternalError('lower', `buffer ${name} lies outside, and there is nothing`)
    return bases[region] + offset
  }
  return { name: plan.name, kernels: lowerKernels(plan, address, bases) }
}

const lowerKernels = (plan: Plan, addressOf: Address, bases: Bases): LoweredKernel[] =>
  plan.kernels.map((k) => (k.loop ? lowerLoop(k, k.loop, plan.buffers, addressOf, bases) : lowerKernel(k, plan.buffers, addressOf)))

/** Its body at the addresses that its scratch and the buffers around give, and the copies between the two. */
function lowerLoop(kernel: Kernel, loop: LoopPlan, buffers: readonly Buffer[], addressOf: Address, bases: Bases): LoweredKernel {
  const around = (buffer: number): number => addressOf(buffers[buffer])
  const state = around(loop.scratch)
  const captured = new Map(loop.captured.map(({ buffer, from }) => [buffer, around(from)]))
  const inside = (b: Buffer): number => {
    switch (b.region) {
      case 'outer':
        return captured.get(b.id)!
      case 'state':
        return state + b.offset
      case 'arena':
        return state + loop.stateBytes + b.offset
      case 'constant':
        return bases.constant + b.offset
    }
  }
  const own = (buffer: number): number => inside(loop.plan.buffers[buffer])
  const once = { fromStep: 0, toStep: 0 }
  const lowered = {
    length: loop.length,
    reverse: loop.reverse,
    before: loop.carries.map(({ offset, bytes, from }) => ({ from: around(from), to: state + offset, bytes, ...once })),
    enter: loop.scanned.map(({ input, bytes, from }) => ({ from: around(from), to: own(input), bytes, fromStep: bytes, toStep: 0 })),
    body: lowerKernels(loop.plan, inside, bases),
    leave: loop.outputs.flatMap(({ result, bytes, to }) =>
      to.map((b) => ({ from: own(result), to: around(b), bytes, fromStep: 0, toStep: bytes }))),
    after: loop.carries.flatMap(({ offset, bytes, to }) => to.map((b) => ({ from: state + offset, to: around(b), bytes, ...once }))),
  }
  return {
    name: kernel.name,
    title: titleOf(kernel, new Map(buffers.map((b) => [b.id, b]))),
    expressions: new Expressions(),
    address: (node) => { throw new InternalError('lower', `loop ${kernel.name} has no buffer of %${node.id}`) },
    nests: [],
    loop: lowered,
  }
}

/** Its parts' nests with the row axes in front, local values in the scratch. */
function lowerRows(kernel: Kernel, plan: RowsPlan, byId: ReadonlyMap<number, Buffer>, place: (node: Node, buffer: number) => number): LoweredKernel {
  const scratch = plan.scratch === null ? 0 : place(kernel.stores[0].node, plan.scratch)
  const addresses = new Map([
    ...[...kernel.loads, ...kernel.stores].map(({ node, buffer }) => [node, place(node, buffer)] as const),
    ...plan.locals.map(({ node, offset }) => [node, scratch + offset] as const),
  ])
  const address = (node: Node): number => {
    const at = addresses.get(node)
    if (at === undefined) throw new InternalError('lower', `kernel ${kernel.name} has no place for %${node.id}`)
    return at
  }
  const expressions = new Expressions()
  const whole: Nest[] = []
  const cut: Nest[] = []
  for (const part of plan.parts) {
    const loads = new Map(part.loads.map((node) => [node, address(node)]))
    const stores = part.stores.map((node) => ({ node, address: address(node) }))
    const nests = nestsOf({ name: kernel.name, core: part.core, loads, stores }, expressions)
    whole.push(...nests)
    cut.push(...nestsInRows(nests, part, plan, expressions))
  }
  const { nests, rows } = mergeRows(cut, plan.axes.map((a) => a.steps), expressions)
  const simple = nests.map((n, i) => simplifyNest(n, expressions, { rows: rows.length, nest: whole[i] })).map(expandNest(expressions))
  const local = plan.scratch === null ? undefined : { from: scratch, to: scratch + byId.get(plan.scratch)!.bytes }
  return { name: kernel.name, title: titleOf(kernel, byId), expressions, address, nests: simple, rows, local }
}

function lowerKernel(kernel: Kernel, buffers: readonly Buffer[], addressOf: Address): LoweredKernel {
  const byId = new Map(buffers.map((b) => [b.id, b]))
  const place = (node: Node, buffer: number): number => {
    const b = byId.get(buffer)
    if (!b) throw new InternalError('lower', `kernel ${kernel.name} names buffer ${buffer}, which the plan has not`)
    const address = addressOf(b)
    if (address % DTYPES[node.dtype].bytes) throw new InternalError('lower', `buffer ${buffer} of ${kernel.name} is not aligned`)
    return address
  }
  if (kernel.rows) return lowerRows(kernel, kernel.rows, byId, place)
  const placed: Placed = {
    name: kernel.name,
    core: kernel.core,
    loads: new Map(kernel.loads.map((l) => [l.node, place(l.node, l.buffer)])),
    stores: kernel.stores.map((s) => ({ node: s.node, address: place(s.node, s.buffer) })),
  }
  const expressions = new Expressions()
  const nests = nestsOf(placed, expressions).map((n) => simplifyNest(n, expressions)).map(expandNest(expressions))
  return {
    name: kernel.name,
    title: titleOf(kernel, byId),
    expressions,
    address: (node) => {
      const address = placed.loads.get(node)
      if (address === undefined) throw new InternalError('lower', `kernel ${kernel.name} has no buffer of %${node.id}`)
      return address
    },
    nests,
  }
}

/** `contract f32[64, 128] "ik,kj->ij" → add "h"` */
function titleOf(kernel: Kernel, buffers: ReadonlyMap<number, Buffer>): string {
  const { core, rows } = kernel
  const spec = typeof core?.attrs.spec === 'string' ? ` ${core.attrs.spec}` : ''
  const steps = rows && `rows ${rows.axes.map((a) => a.steps).join('×')}: ${rows.parts.map((p) => p.core?.op ?? 'map').join(', ')}`
  const what = steps ?? (core ? `${core.op} ${showType(core)}${spec}` : 'map')
  const stores = kernel.stores.map(({ node, buffer }) => {
    const name = buffers.get(buffer)?.name ?? ''
    return `${node.op} ${showType(node)} ${JSON.stringify(name)}`
  })
  return `${what} → ${stores.join(', ')}`
}
