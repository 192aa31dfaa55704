// Replays a Plan against the meaning of its graph, sharing no code with the planner: first symbolically (which value is in
// which bytes, and when), then with real bytes and the reference evaluator.
import { evaluate as evaluateAffine } from '../src/ir/affine.ts'
import { evaluate, evaluateNodes } from '../src/ir/evaluate.ts'
import { topological, type Node } from '../src/ir/graph.ts'
import { opNamed } from '../src/ir/ops/index.ts'
import type { Buffer, Kernel, Layout, LoopPlan, Plan, RowsPlan } from '../src/ir/plan.ts'
import { bytesOf, DTYPES, rowMajor, sameShape, sizeOf, type TensorType, type TypedArray } from '../src/ir/types.ts'
import { heldOutside, isLoop, layoutInside, loopFaults, runSteps } from './replayer-loops.ts'
import { partKernel, rowsFaults, runRows } from './replayer-rows.ts'

export type Values = Record<string, TypedArray>

const loweringOf = (n: Node): ReturnType<typeof opNamed>['lowering'] => opNamed(n.op).lowering
const show = (n: Node): string => `%${n.id} ${n.op} ${n.dtype}[${n.shape.join()}]`
const isReshape = (n: Node): boolean => {
  const l = loweringOf(n)
  return l.kind === 'view' && l.view === 'reshape'
}
/** What a node's value is computed from: a view reads its first operand and no other. */
const readBy = (n: Node): readonly Node[] => {
  const l = loweringOf(n)
  return l.kind === 'view' && l.view !== 'place' ? n.operands.slice(0, 1) : n.operands
}
/** The node whose bytes a reshape is. */
const bytesBehind = (n: Node): Node => (isReshape(n) ? bytesBehind(n.operands[0]) : n)
const isCoreKind = (n: Node): boolean => {
  const l = loweringOf(n)
  return ['reduce', 'contract', 'cumulate', 'scatter'].includes(l.kind) || (l.kind === 'view' && l.view === 'place')
}

/** Bytes that are counted from one place; what lies outside of a loop's body has a place of its own each. */
const regionOf = (b: Buffer): string => (b.region === 'outer' ? `outer ${b.id}` : b.region)

/** What each byte range holds; a write forgets everything that it touches. */
class Memory {
  held: { region: string; start: number; end: number; node: Node }[] = []

  write(b: Buffer, node: Node): void {
    const [region, start, end] = [regionOf(b), b.offset, b.offset + bytesOf(node)]
    this.held = this.held.filter((h) => h.region !== region || h.end <= start || h.start >= end)
    if (end > start) this.held.push({ region, start, end, node })
  }

  /** Drops what is not in the buffers that say they are in use at `t`. */
  expire(plan: Plan, t: number): void {
    const live = plan.buffers.filter((b) => b.from <= t && t <= b.to)
    this.held = this.held.filter(({ region, start, end }) =>
      live.some((b) => regionOf(b) === region && b.offset <= start && end <= b.offset + b.bytes),
    )
  }

  holds(b: Buffer, node: Node): boolean {
    if (bytesOf(node) === 0) return true
    const end = b.offset + bytesOf(node)
    return this.held.some((h) => h.region === regionOf(b) && h.start === b.offset && h.end === end && h.node === node)
  }
}

/** Everything that is wrong with a plan, as text; empty if it keeps all its promises. `outside`: what its outer buffers hold. */
export function replaySymbolically(plan: Plan, layout: Layout, outside: ReadonlyMap<number, Node> = new Map()): string[] {
  const wrong: string[] = []
  const { buffers, graph } = plan
  const memory = new Memory()
  const size = { state: layout.stateBytes, constant: layout.constantBytes, arena: plan.arenaBytes, outer: Infinity }
  const end = plan.kernels.length - 1
  buffers.forEach((b, i) => {
    if (b.id !== i) wrong.push(`buffer ${i} has id ${b.id}`)
    if (b.offset % 16) wrong.push(`buffer ${b.name} is not aligned`)
    if (b.offset < 0 || b.offset + b.bytes > size[b.region]) wrong.push(`buffer ${b.name} leaves its region`)
    if (b.from > b.to) wrong.push(`buffer ${b.name} ends before it begins`)
    for (const c of buffers.slice(0, i)) {
      const apart = c.region !== b.region || c.region !== 'arena' || c.to < b.from || b.to < c.from
      if (!apart && b.bytes && c.bytes && b.offset < c.offset + c.bytes && c.offset < b.offset + b.bytes) {
        wrong.push(`buffers ${b.name} and ${c.name} share bytes while both are in use`)
      }
    }
    if (b.region === 'state') {
      const at = layout.states.get(b.name)
      if (!at || at.offset !== b.offset) wrong.push(`state ${b.name} is not where the layout has it`)
      memory.write(b, graph.builder.state(graph.states.find((s) => s.name === b.name)!))
    }
  })
  for (const [id, node] of outside) memory.write(buffers[id], node)
  for (const b of buffers) if (b.region === 'constant') for (const n of constantsAt(plan, b)) memory.write(b, n)
  if (plan.inputs.map((i) => i.name).join() !== graph.inputs.map((i) => i.name).join()) wrong.push('inputs differ from the graph')
  for (const i of plan.inputs) {
    if (buffers[i.buffer].from !== 0) wrong.push(`input ${i.name} does not live from the start`)
    memory.write(buffers[i.buffer], i.node)
  }
  for (const i of plan.inputs) {
    if (!memory.holds(buffers[i.buffer], i.node)) wrong.push(`input ${i.name} is overwritten by another one`)
  }

  plan.kernels.forEach((k, t) => {
    memory.expire(plan, t)
    const faults = k.loop ? faultsOfLoop(plan, k, k.loop, t, layout) : k.rows ? faultsOfRows(plan, k, k.rows) : kernelFaults(plan, k)
    for (const complaint of faults) wrong.push(`${k.name}: ${complaint}`)
    for (const l of k.loads) {
      const b = buffers[l.buffer]
      if (b.from > t || b.to < t) wrong.push(`${k.name} loads from ${b.name} outside its lifetime`)
      if (!memory.holds(b, l.node)) wrong.push(`${k.name} loads ${show(l.node)}, which is not in ${b.name}`)
    }
    for (const s of k.stores) {
      const b = buffers[s.buffer]
      if (b.region === 'constant' || b.region === 'outer') wrong.push(`${k.name} writes to the ${b.region} region`)
      if (b.from > t || b.to < t) wrong.push(`${k.name} stores to ${b.name} outside its lifetime`)
      if (bytesOf(s.node) !== b.bytes) wrong.push(`${k.name} stores ${bytesOf(s.node)} bytes into ${b.name} of ${b.bytes}`)
      if (DTYPES[b.type.dtype].array !== DTYPES[s.node.dtype].array) wrong.push(`${k.name} stores ${s.node.dtype} into ${b.name}`)
      memory.write(b, s.node)
    }
    for (const s of k.stores) {
      if (!memory.holds(buffers[s.buffer], s.node)) wrong.push(`${k.name}: two stores meet in ${buffers[s.buffer].name}`)
    }
  })

  if (end >= 0) memory.expire(plan, end)
  const names = plan.results.map((r) => r.name).join()
  if (names !== graph.results.map((r) => r.name).join()) wrong.push('results differ from the graph')
  for (const r of plan.results) {
    const b = buffers[r.buffer]
    if (b.to < end) wrong.push(`result ${r.name} does not live to the end`)
    if (b.region !== 'arena') wrong.push(`result ${r.name} is in the ${b.region} region`)
    if (!memory.holds(b, bytesBehind(r.node))) wrong.push(`result ${r.name} is not in its buffer at the end`)
  }
  for (const b of buffers.filter((x) => x.region === 'state')) {
    const update = graph.updates.find((u) => u.name === b.name)
    const value = update ? bytesBehind(update.node) : graph.builder.state(graph.states.find((s) => s.name === b.name)!)
    if (!memory.holds(b, value)) wrong.push(`state ${b.name} does not hold ${show(value)} at the end`)
  }
  for (const u of graph.updates) {
    const b = bytesBehind(u.node)
    const keeps = loweringOf(b).kind === 'leaf' && b.op === 'state' && b.attrs.name === u.name
    if (!keeps && !buffers.some((x) => x.region === 'state' && x.name === u.name)) wrong.push(`state ${u.name} is never written`)
  }
  wrong.push(...boundFaults(plan))
  return wrong
}

/** A loop keeps its promises, and so does the plan of its body, which runs in between. */
const faultsOfLoop = (plan: Plan, k: Kernel, loop: LoopPlan, t: number, layout: Layout): string[] => [
  ...loopFaults(plan, k, t),
  ...replaySymbolically(loop.plan, layoutInside(loop, layout), heldOutside(loop)).map((complaint) => `in its body: ${complaint}`),
]

/** The parts fit together, and each is a kernel in itself. */
const faultsOfRows = (plan: Plan, k: Kernel, rows: RowsPlan): string[] =>
  [...rowsFaults(plan, k, rows), ...rows.parts.flatMap((part) => kernelFaults(plan, partKernel(k, part)))]

/** The lower bound is what is live at once; the arena is no smaller. */
function boundFaults(plan: Plan): string[] {
  const wrong: string[] = []
  let most = 0
  for (let t = 0; t < Math.max(1, plan.kernels.length); t++) {
    const live = plan.buffers.filter((b) => b.region === 'arena' && b.from <= t && t <= b.to)
    most = Math.max(most, live.reduce((n, b) => n + Math.ceil(b.bytes / 16) * 16, 0))
  }
  if (plan.lowerBound !== most) wrong.push(`lower bound ${plan.lowerBound} is not the ${most} live bytes`)
  if (plan.arenaBytes < plan.lowerBound) wrong.push(`arena ${plan.arenaBytes} is less than the lower bound ${plan.lowerBound}`)
  return wrong
}

function constantsAt(plan: Plan, b: Buffer): Node[] {
  return plan.kernels.flatMap((k) => k.loads.filter((l) => plan.buffers[l.buffer] === b).map((l) => l.node))
}

/** Are these the axes of the space, neighbours perhaps taken together? */
const isJoined = (shape: readonly number[], space: readonly number[]): boolean => sameShape(shape, space) ||
  (sizeOf(shape) === sizeOf(space) && shape.every((_, a) => space.some((__, b) => sizeOf(space.slice(b)) === sizeOf(shape.slice(a)))))

/** What one kernel must be in itself: computable from its loads alone, one space, no hazard between loads and stores. */
function kernelFaults(plan: Plan, k: Kernel): string[] {
  const wrong: string[] = []
  const loaded = new Set(k.loads.map((l) => l.node))
  if (loaded.size !== k.loads.length) wrong.push('a node is loaded twice')
  if (!k.stores.length) wrong.push('nothing is stored')
  const shape = k.core?.shape ?? k.stores[0].node.shape
  const used = new Set<Node>()
  const seen = new Set<Node>()
  const need = (n: Node): void => {
    if (loaded.has(n)) return void used.add(n)
    if (seen.has(n)) return
    seen.add(n)
    const l = loweringOf(n)
    if (l.kind === 'leaf' && l.leaf !== 'literal' && l.leaf !== 'iota') wrong.push(`needs ${show(n)}, which is not loaded`)
    if (isLoop(n)) wrong.push(`needs ${show(n)}, which only a loop computes`)
    if (isCoreKind(n) && n !== k.core) wrong.push(`needs ${show(n)}, which is neither loaded nor the core`)
    readBy(n).forEach(need)
  }
  for (const { node } of k.stores) {
    if (!isJoined(node.shape, shape)) wrong.push(`stores ${show(node)} in a space of [${shape.join()}]`)
    need(node)
  }
  if (k.core) {
    need(k.core)
    const { kind } = loweringOf(k.core)
    if (kind !== 'reduce' && kind !== 'contract' && (k.stores.length !== 1 || k.stores[0].node !== k.core)) {
      wrong.push('its core takes no epilogue')
    }
  }
  for (const n of loaded) if (!used.has(n)) wrong.push(`loads ${show(n)} in vain`)
  wrong.push(...hazards(plan, k))
  return wrong
}

const SAMPLES = 48

/** A store may overwrite a loaded buffer only where each point reads, of that buffer, nothing but its own element. */
function hazards(plan: Plan, k: Kernel): string[] {
  const wrong: string[] = []
  const shape = k.core?.shape ?? k.stores[0].node.shape
  const points = sizeOf(shape)
  for (const l of k.loads) {
    const from = plan.buffers[l.buffer]
    for (const s of k.stores) {
      const to = plan.buffers[s.buffer]
      // Locals of a row lie apart from all else, which its own check sees to.
      if (l.buffer < 0 || s.buffer < 0) continue
      const apart = from.region !== to.region || to.offset + to.bytes <= from.offset || from.offset + from.bytes <= to.offset
      if (apart || !from.bytes || !to.bytes) continue
      if (from.offset !== to.offset || l.node.dtype !== s.node.dtype) {
        wrong.push(`stores ${show(s.node)} across ${show(l.node)}, which it loads`)
        continue
      }
      const trace = new Trace(k, l.node)
      for (let i = 0; i < Math.min(points, SAMPLES); i++) {
        const e = points <= SAMPLES ? i : (i * 7919) % points
        const reads = trace.readsAt(e)
        if (reads === 'any' || [...reads].some((r) => r !== e)) {
          const which = reads === 'any' ? 'anything' : [...reads].join()
          wrong.push(`stores ${show(s.node)} over ${show(l.node)}, of which point ${e} reads ${which}`)
          break
        }
      }
    }
  }
  return wrong
}

/** Which elements of one loaded node a kernel reads at a point, element by element. */
class Trace {
  readonly #kernel: Kernel
  readonly #target: Node
  readonly #loaded: ReadonlySet<Node>

  constructor(kernel: Kernel, target: Node) {
    this.#kernel = kernel
    this.#target = target
    this.#loaded = new Set(kernel.loads.map((l) => l.node))
  }

  readsAt(point: number): Set<number> | 'any' {
    const found = new Set<number>()
    let any = false
    const below = (n: Node, index: number): void => {
      if (this.#loaded.has(n)) return void (n === this.#target && found.add(index))
      const l = loweringOf(n)
      const at = rowMajor(n.shape).map((s, i) => Math.floor(index / s) % n.shape[i])
      if (n === this.#kernel.core) {
        // A scatter begins as its first operand, element by element; all else a core reads as it likes.
        const scatters = l.kind === 'scatter' && l.scatter === 'indexed'
        if (scatters) below(n.operands[0], index)
        if (n.operands.slice(scatters ? 1 : 0).some((o) => this.#depends(o))) any = true
        return
      }
      if (l.kind === 'pointwise') for (const o of n.operands) below(o, index)
      else if (l.kind === 'view' && l.view === 'reshape') below(n.operands[0], index)
      else if (l.kind === 'view' && l.view === 'affine') {
        const strides = rowMajor(n.operands[0].shape)
        below(n.operands[0], l.source(n).reduce((s, a, i) => s + evaluateAffine(a, at) * strides[i], 0))
      } else if (l.kind === 'random') {
        for (const [o, i] of [[0, 0], [0, 1], [1, 0]]) below(n.operands[o], i)
      } else if (l.kind === 'gather') {
        const [table, where] = n.operands
        const axis = n.attrs.axis as number
        const strides = rowMajor(where.shape)
        below(where, strides.reduce((sum, s, i) => sum + at[axis + i] * s, 0))
        if (this.#depends(table)) any = true
      } else if (l.kind !== 'leaf' && n.operands.some((o) => this.#depends(o))) any = true
    }
    for (const s of this.#kernel.stores) below(s.node, point)
    return any ? 'any' : found
  }

  #depends(n: Node): boolean {
    if (this.#loaded.has(n)) return n === this.#target
    return readBy(n).some((o) => this.#depends(o))
  }
}

/** The bytes of each region; those of what lies outside of a loop's body buffer by buffer. */
interface Places {
  readonly state: Uint8Array<ArrayBuffer>
  readonly constant: Uint8Array<ArrayBuffer>
  readonly arena: Uint8Array<ArrayBuffer>
  readonly outer: (buffer: number) => Uint8Array<ArrayBuffer>
}

const bytesIn = (places: Places, b: Buffer): Uint8Array<ArrayBuffer> =>
  b.region === 'outer' ? places.outer(b.id) : places[b.region].subarray(b.offset, b.offset + b.bytes)

const asArray = (bytes: Uint8Array<ArrayBuffer>, { dtype, shape }: TensorType): TypedArray =>
  new DTYPES[dtype].array(bytes.buffer, bytes.byteOffset, sizeOf(shape))

/** Runs a plan kernel by kernel over real bytes, with NaN wherever nothing is promised to be. */
export function replayNumerically(
  plan: Plan, layout: Layout, inputs: Values, states: Values,
): { results: Values; states: Values } {
  const places: Places = {
    state: new Uint8Array(layout.stateBytes).fill(0xff),
    constant: new Uint8Array(layout.constantBytes),
    arena: new Uint8Array(plan.arenaBytes).fill(0xff),
    outer: () => { throw new Error('there is nothing around the plan of a function') },
  }
  const view = (buffer: number, node: Node): TypedArray => asArray(bytesIn(places, plan.buffers[buffer]), node)
  for (const { node, offset } of layout.constants) asArray(places.constant.subarray(offset), node).set(node.attrs.values as never)
  const stateAt = (name: string): TypedArray => {
    const { offset, type } = layout.states.get(name)!
    return asArray(places.state.subarray(offset), type)
  }
  for (const name of layout.states.keys()) if (states[name]) stateAt(name).set(states[name] as never)
  for (const i of plan.inputs) view(i.buffer, i.node).set(inputs[i.name] as never)
  runKernels(plan, places)
  return {
    results: Object.fromEntries(plan.results.map((r) => [r.name, view(r.buffer, r.node).slice()])),
    states: Object.fromEntries(Object.keys(states).map((name) => [name, stateAt(name).slice()])),
  }
}

function runKernels(plan: Plan, places: Places): void {
  const bytes = (buffer: number): Uint8Array<ArrayBuffer> => bytesIn(places, plan.buffers[buffer])
  const view = (buffer: number, node: Node): TypedArray => asArray(bytes(buffer), node)
  plan.kernels.forEach((k, t) => {
    poison(places.arena, plan, t)
    if (k.loop) return runLoop(k.loop, places, bytes)
    if (k.rows) return runRows(k, k.rows, { view, evaluate: evaluated, scratch: bytes })
    const loads = new Map(k.loads.map((l) => [l.node, view(l.buffer, l.node).slice()]))
    const values = evaluated(k.stores.map((s) => s.node), loads)
    for (const s of k.stores) view(s.buffer, s.node).set(values.get(s.node) as never)
  })
  poison(places.arena, plan, plan.kernels.length - 1)
}

/** Its body in its scratch: the carries, then an arena that each step finds empty but for its slices. */
function runLoop(loop: LoopPlan, places: Places, around: (buffer: number) => Uint8Array<ArrayBuffer>): void {
  const room = around(loop.scratch).fill(0xff)
  const captured = new Map(loop.captured.map((c) => [c.buffer, c.from]))
  const inner: Places = {
    state: room.subarray(0, loop.stateBytes),
    constant: places.constant,
    arena: room.subarray(loop.stateBytes, loop.stateBytes + loop.plan.arenaBytes),
    outer: (buffer) => around(captured.get(buffer)!),
  }
  const inside = (buffer: number): Uint8Array => bytesIn(inner, loop.plan.buffers[buffer])
  const step = { begin: () => void inner.arena.fill(0xff), run: () => runKernels(loop.plan, inner) }
  runSteps(loop, { around, inside, state: inner.state }, step)
}

const evaluated = (stored: readonly Node[], loads: ReadonlyMap<Node, TypedArray>): ReadonlyMap<Node, TypedArray> =>
  evaluateNodes(stored, { known: withoutSources(stored, loads) }, { precision: 'declared' })

/** What is loaded, and in place of everything that only leads to it NaN: no kernel may look behind its loads. */
function withoutSources(stored: readonly Node[], loads: ReadonlyMap<Node, TypedArray>): Map<Node, TypedArray> {
  const needed = new Set<Node>()
  const stack = [...stored]
  for (let n = stack.pop(); n; n = stack.pop()) {
    if (needed.has(n)) continue
    needed.add(n)
    if (!loads.has(n)) stack.push(...readBy(n))
  }
  const known = new Map(loads)
  const behind = topological(stored).filter((n) => !needed.has(n))
  for (const n of behind) known.set(n, new DTYPES[n.dtype].array(sizeOf(n.shape)).fill(NaN as never))
  return known
}

function poison(arena: Uint8Array, plan: Plan, t: number): void {
  const keep = new Uint8Array(arena.length)
  const live = plan.buffers.filter((b) => b.region === 'arena' && b.from <= Math.max(t, 0) && t <= b.to)
  for (const b of live) keep.fill(1, b.offset, b.offset + b.bytes)
  for (let i = 0; i < arena.length; i++) if (!keep[i]) arena[i] = 0xff
}

/** Everything in which a plan and the meaning of its graph differ on these values, bit by bit (any NaN equals any NaN). */
export function replay(plan: Plan, layout: Layout, inputs: Values, states: Values): string[] {
  const wrong = replaySymbolically(plan, layout)
  if (wrong.length) return wrong
  const got = replayNumerically(plan, layout, inputs, states)
  const want = evaluate(plan.graph, { inputs, states }, { precision: 'declared' })
  for (const name of Object.keys(want.results)) {
    if (!same(got.results[name], want.results[name])) wrong.push(`result ${name} differs`)
  }
  for (const name of Object.keys(states)) {
    if (!same(got.states[name], want.updates[name] ?? states[name])) wrong.push(`state ${name} differs`)
  }
  return wrong
}

const same = (a: TypedArray, b: TypedArray): boolean => a.length === b.length && a.every((x, i) => Object.is(x, b[i]))
