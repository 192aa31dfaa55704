import { GradcError, InternalError } from '../ir/errors.ts'
import { Expressions, inOrder } from '../ir/expression.ts'
import type { Node } from '../ir/graph.ts'
import type { Buffer, Kernel, Plan, Region } from '../ir/plan.ts'
import { DTYPES, showType } from '../ir/types.ts'
import { expandNest } from './lower/expand.ts'
import { nestsOf, type Placed } from './lower/nests.ts'
import { rootsOfNest, simplifyNest } from './lower/simplify.ts'
import type { LoweredKernel, LoweredProgram } from './nest.ts'

/** Byte address of each region in the program's memory; multiples of 16. */
export type Bases = { readonly [R in Region]: number }

/**
 * Turns a plan's kernels into loop nests over one memory: every node a load at a fixed address or an expression, axes
 * merged where accesses allow, transcendental functions expanded. Throws `target/unsupported` for f16 and bf16.
 */
export function lowerPlan(plan: Plan, bases: Bases): LoweredProgram['functions'][number] {
  return { name: plan.name, kernels: plan.kernels.map((k) => lowerKernel(k, plan.buffers, bases)) }
}

function lowerKernel(kernel: Kernel, buffers: readonly Buffer[], bases: Bases): LoweredKernel {
  const byId = new Map(buffers.map((b) => [b.id, b]))
  const place = (node: Node, buffer: number): number => {
    refuse(node)
    const b = byId.get(buffer)
    if (!b) throw new InternalError('lower', `kernel ${kernel.name} names buffer ${buffer}, which the plan has not`)
    const address = bases[b.region] + b.offset
    if (address % DTYPES[node.dtype].bytes) throw new InternalError('lower', `buffer ${buffer} of ${kernel.name} is not aligned`)
    return address
  }
  const placed: Placed = {
    name: kernel.name,
    core: kernel.core,
    loads: new Map(kernel.loads.map((l) => [l.node, place(l.node, l.buffer)])),
    stores: kernel.stores.map((s) => ({ node: s.node, address: place(s.node, s.buffer) })),
  }
  const expressions = new Expressions()
  const nests = nestsOf(placed, expressions).map((n) => simplifyNest(n, expressions)).map(expandNest(expressions))
  for (const e of inOrder(nests.flatMap(rootsOfNest))) if (e.dtype === 'f16' || e.dtype === 'bf16') refuse(e)
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

function refuse(of: Pick<Node, 'dtype'> | Node): void {
  if (of.dtype !== 'f16' && of.dtype !== 'bf16') return
  throw new GradcError('target/unsupported', `the code generators do not take ${of.dtype} yet`, {
    parties: 'op' in of && 'source' in of ? [{ label: 'x', node: of as Node }] : [],
    hint: `declare it as f32, or cast(x, 'f32') before the program`,
  })
}

/** `contract f32[64, 128] "ik,kj->ij" → add "h"` */
function titleOf(kernel: Kernel, buffers: ReadonlyMap<number, Buffer>): string {
  const { core } = kernel
  const spec = typeof core?.attrs.spec === 'string' ? ` ${core.attrs.spec}` : ''
  const what = core ? `${core.op} ${showType(core)}${spec}` : 'map'
  const stores = kernel.stores.map(({ node, buffer }) => {
    const name = buffers.get(buffer)?.name ?? ''
    return `${node.op} ${showType(node)} ${JSON.stringify(name)}`
  })
  return `${what} → ${stores.join(', ')}`
}
