// What the replayer of plans (replayer.ts) asks of a kernel that is a loop: that its body's plan computes the body, that the
// copies between the two memories take every value where it belongs, and that no step destroys what another one reads.
import { sameAttrs } from '../src/ir/attributes.ts'
import type { Node } from '../src/ir/graph.ts'
import { opNamed } from '../src/ir/ops/index.ts'
import { scanSpec } from '../src/ir/ops/region.ts'
import type { Buffer, Kernel, Layout, LoopPlan, Plan } from '../src/ir/plan.ts'
import { bytesOf, sameType } from '../src/ir/types.ts'

const show = (n: Node): string => `%${n.id} ${n.op} ${n.dtype}[${n.shape.join()}]`
const bytesBehind = (n: Node): Node => {
  const l = opNamed(n.op).lowering
  return l.kind === 'view' && l.view === 'reshape' ? bytesBehind(n.operands[0]) : n
}
export const isLoop = (n: Node): boolean => opNamed(n.op).lowering.kind === 'region'

/** Where the states of a body's plan are: the carries, in the order of its states. */
export function layoutInside(loop: LoopPlan, around: Layout): Layout {
  const states = new Map(loop.plan.graph.states.map(({ name, dtype, shape }, i) =>
    [name, { offset: loop.carries[i]?.offset ?? -1, type: { dtype, shape } }]))
  return { ...around, states, stateBytes: loop.stateBytes }
}

/** Everything that is wrong with a loop's kernel, its body's plan aside. */
export function loopFaults(plan: Plan, k: Kernel, t: number): string[] {
  const wrong: string[] = []
  const loop = k.loop!
  const core = k.core!
  const { carries, scanned, length, reverse } = scanSpec(core.attrs)
  const { buffers } = plan
  if (loop.length !== length || loop.reverse !== reverse) wrong.push('runs other steps than its core')
  for (const { node } of k.stores) {
    const same = isLoop(node) && node.regions[0] === core.regions[0] && node.operands.every((o, i) => o === core.operands[i])
    if (!same || node.attrs.reverse !== core.attrs.reverse) wrong.push(`stores ${show(node)}, which is no result of its loop`)
  }
  const operands = core.operands.map(bytesBehind)
  const loaded = k.loads.map((l) => l.node)
  if (loaded.some((l) => !operands.includes(l)) || operands.some((o) => !loaded.includes(o))) wrong.push('its loads are not its operands')

  const holds = (buffer: number, at: number): boolean => k.loads.some((l) => l.buffer === buffer && l.node === operands[at])
  const goesTo = (what: string, index: number, to: readonly number[]): void => {
    const stores = k.stores.filter((s) => s.node.attrs.index === index).map((s) => s.buffer)
    const same = stores.length === to.length && stores.every((s) => to.includes(s))
    if (!same) wrong.push(`${what} goes to ${to.join()}, its stores are ${stores.join()}`)
  }
  const size = (what: string, node: Node, bytes: number): void => {
    if (bytes !== bytesOf(node)) wrong.push(`${what} has ${bytes} bytes, not ${bytesOf(node)}`)
  }
  const body = core.regions[0]
  const counts = [loop.carries.length, loop.scanned.length, loop.outputs.length]
  if (counts.join() !== [carries, scanned, body.results.length - carries].join()) wrong.push('has other values than its body')
  loop.carries.forEach((c, i) => {
    if (!holds(c.from, i)) wrong.push(`carry ${i} begins as something else`)
    size(`carry ${i}`, body.inputs[i].node, c.bytes)
    goesTo(`carry ${i}`, i, c.to)
    if (c.offset % 16 || c.offset + c.bytes > loop.stateBytes) wrong.push(`carry ${i} leaves its place`)
    for (const [j, d] of loop.carries.slice(0, i).entries()) {
      const shared = c.bytes && d.bytes && c.offset < d.offset + d.bytes && d.offset < c.offset + c.bytes
      if (shared) wrong.push(`carries ${j} and ${i} share bytes`)
    }
  })
  loop.scanned.forEach((s, i) => {
    if (!holds(s.from, carries + i)) wrong.push(`slices ${i} are those of something else`)
    size(`slice ${i}`, body.inputs[carries + i].node, s.bytes)
    if (s.input !== loop.plan.inputs[i]?.buffer) wrong.push(`slice ${i} goes to another buffer than its input's`)
  })
  loop.outputs.forEach((o, i) => {
    size(`output ${i}`, body.results[carries + i].node, o.bytes)
    goesTo(`output ${i}`, carries + i, o.to)
    if (o.result !== loop.plan.results[i]?.buffer) wrong.push(`output ${i} comes from another buffer than its result's`)
  })
  const room = buffers[loop.scratch]
  if (room.region !== 'arena' || room.from > t || room.to < t) wrong.push('its body has no memory')
  const needed = loop.stateBytes + loop.plan.arenaBytes
  if (loop.stateBytes % 16 || room.bytes < needed) wrong.push(`its body needs ${needed} bytes and has ${room.bytes}`)

  const { leaves, complaints } = sameFunction(core, loop.plan, carries, scanned)
  wrong.push(...complaints)
  for (const { buffer, from } of loop.captured) {
    const inside = loop.plan.buffers[buffer]
    const at = [...leaves].find(([leaf]) => leaf.attrs.name === inside.name)?.[1]
    const right = inside.region === 'outer' && at !== undefined && holds(from, at)
    if (!right) wrong.push(`what every step reads as ${inside.name} is something else`)
  }
  for (const b of loop.plan.buffers) {
    if (b.region === 'outer' && !loop.captured.some((c) => c.buffer === b.id)) wrong.push(`nothing outside is ${b.name}`)
  }
  wrong.push(...overwritten(plan, k, operands, carries, scanned))
  return wrong
}

/** The nodes that the buffers of a body's plan hold for all steps. */
export function heldOutside(loop: LoopPlan): Map<number, Node> {
  const loads = loop.plan.kernels.flatMap((k) => k.loads)
  return new Map(loop.captured.flatMap(({ buffer }) => {
    const load = loads.find((l) => l.buffer === buffer && l.node.attrs.name === loop.plan.buffers[buffer].name)
    return load ? [[buffer, load.node] as const] : []
  }))
}

/**
 * Is the graph of the body's plan the body, with carries as states and slices as inputs? What is captured are leaves that
 * nobody declares; says which operand each of them is.
 */
function sameFunction(
  core: Node, { graph }: Plan, carries: number, scanned: number,
): { leaves: Map<Node, number>; complaints: string[] } {
  const complaints: string[] = []
  const leaves = new Map<Node, number>()
  const [body] = core.regions
  const place = new Map(body.inputs.map(({ node }, at) => [node, at]))
  const state = new Map(graph.states.map((s, i) => [s.name, i]))
  const input = new Map(graph.inputs.map(({ node }, i) => [node, i]))
  const known = new Map<Node, Node>()
  const alike = (a: Node, b: Node): boolean => {
    if (known.has(a)) return known.get(a) === b
    known.set(a, b)
    const at = place.get(a)
    if (!sameType(a, b)) return false
    if (at === undefined) {
      return a.op === b.op && sameAttrs(a.attrs, b.attrs) && a.regions.every((r, i) => r === b.regions[i]) &&
        a.operands.length === b.operands.length && a.operands.every((o, i) => alike(o, b.operands[i]))
    }
    if (at < carries) return b.op === 'state' && state.get(b.attrs.name as string) === at
    if (at < carries + scanned) return input.get(b) === at - carries
    if (b.op !== 'input' || input.has(b) || leaves.has(b)) return false
    leaves.set(b, at)
    return true
  }
  const updates = new Map(graph.updates.map((u) => [u.name, u.node]))
  body.results.forEach(({ node }, i) => {
    const made = i < carries ? updates.get(graph.states[i]?.name) : graph.results[i - carries]?.node
    if (!made || !alike(node, made)) complaints.push(`its body's plan computes something else as result ${i}`)
  })
  return { leaves, complaints }
}

/** Carries are read before the first step and written after the last; slices are read, then outputs written, in each step. */
function overwritten(plan: Plan, k: Kernel, operands: readonly Node[], carries: number, scanned: number): string[] {
  const { length, outputs, scanned: slices } = k.loop!
  const wrong: string[] = []
  const meet = (a: Buffer, b: Buffer): boolean =>
    a.region === b.region && a.bytes > 0 && b.bytes > 0 && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes
  for (const output of outputs) {
    for (const to of output.to.map((b) => plan.buffers[b])) {
      for (const l of k.loads) {
        const from = plan.buffers[l.buffer]
        if (!length || !meet(to, from)) continue
        operands.forEach((o, at) => {
          if (o !== l.node || at < carries) return
          const sliced = at < carries + scanned && to.offset === from.offset && slices[at - carries].bytes === output.bytes
          if (!sliced) wrong.push(`an output is written over ${show(l.node)}, which other steps read`)
        })
      }
    }
  }
  return wrong
}

/** Memory around a loop, that of its body, and the carries. */
interface Places {
  readonly around: (buffer: number) => Uint8Array
  readonly inside: (buffer: number) => Uint8Array
  readonly state: Uint8Array
}

/** Runs a loop's steps over real bytes: each begins, gets its slices, runs the body's plan, and gives its outputs. */
export function runSteps(loop: LoopPlan, at: Places, step: { readonly begin: () => void; readonly run: () => void }): void {
  for (const c of loop.carries) at.state.set(at.around(c.from).subarray(0, c.bytes), c.offset)
  for (let i = 0; i < loop.length; i++) {
    const t = loop.reverse ? loop.length - 1 - i : i
    step.begin()
    for (const s of loop.scanned) at.inside(s.input).set(at.around(s.from).subarray(t * s.bytes, (t + 1) * s.bytes))
    step.run()
    for (const o of loop.outputs) for (const to of o.to) at.around(to).set(at.inside(o.result).subarray(0, o.bytes), t * o.bytes)
  }
  for (const c of loop.carries) for (const to of c.to) at.around(to).set(at.state.subarray(c.offset, c.offset + c.bytes))
}
