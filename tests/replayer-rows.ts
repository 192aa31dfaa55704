// What the replayer of plans (replayer.ts) asks of a kernel that runs others row by row: that every value is made before it is
// read, that what is local fits its scratch, and, with real bytes, that no row needs or destroys anything of another.
import type { Node } from '../src/ir/graph.ts'
import { opNamed } from '../src/ir/ops/index.ts'
import type { Buffer, Kernel, Plan, RowPart, RowsPlan } from '../src/ir/plan.ts'
import { contractSpace } from '../src/ir/resolve.ts'
import { DTYPES, rowMajor, sizeOf, type TypedArray } from '../src/ir/types.ts'

const show = (n: Node): string => `%${n.id} ${n.op} ${n.dtype}[${n.shape.join()}]`

/** The part as a kernel of its own; what is local has no buffer. */
export function partKernel(k: Kernel, { core, loads, stores }: RowPart): Kernel {
  const bindings = new Map([...k.loads, ...k.stores].map((b) => [b.node, b.buffer]))
  const bound = (nodes: readonly Node[]): Kernel['loads'] => nodes.map((node) => ({ node, buffer: bindings.get(node) ?? -1 }))
  return { name: k.name, core, loads: bound(loads), stores: bound(stores) }
}

/** The points of a part, those that a contraction sums over included. */
function spaceOf({ core, stores }: RowPart): readonly number[] {
  if (!core) return stores[0].shape
  return opNamed(core.op).lowering.kind === 'contract' ? contractSpace(core).extents : core.shape
}

/** Row axes along which the part's sum goes on from step to step. */
const summed = ({ stores: [{ shape }], axes }: RowPart): number[] => [...axes.keys()].filter((k) => axes[k] >= shape.length)

/** Does it run once after all steps of a row axis? */
const closes = ({ axes }: RowPart): boolean => axes.includes(-1)

/** Everything that is wrong with how the parts fit together. */
export function rowsFaults({ buffers }: Plan, k: Kernel, { axes, parts, locals, scratch }: RowsPlan): string[] {
  const wrong: string[] = []
  const local = new Map(locals.map((l) => [l.node, l]))
  const stored = new Set(k.stores.map((s) => s.node))
  const loaded = new Set(k.loads.map((l) => l.node))
  const made = new Map<Node, RowPart>()
  const used = new Set<Node>()
  for (const part of parts) {
    for (const n of part.loads) {
      used.add(n)
      if (!loaded.has(n) && !made.has(n)) wrong.push(`a part reads ${show(n)}, which no part has made`)
    }
    const shape = spaceOf(part)
    if (summed(part).length) {
      const [n] = part.stores
      if (part.stores.length > 1 || n !== part.core || n.dtype !== 'f32') wrong.push(`${show(n)} is not a sum as it is`)
      if (parts.some((p) => p.loads.includes(n) && !closes(p))) wrong.push(`${show(n)} is read before it is complete`)
    }
    if (closes(part)) {
      if (parts.slice(parts.indexOf(part)).some((p) => !closes(p))) wrong.push('a part of a row comes after one of all rows')
      for (const n of part.loads) {
        const maker = made.get(n)
        if (maker && !closes(maker) && !summed(maker).length) wrong.push(`${show(n)} is read after its rows`)
      }
    }
    if (part.axes.length !== axes.length || new Set(part.axes).size !== axes.length) wrong.push('a part has other row axes')
    axes.forEach(({ steps, points }, i) => {
      if (part.axes[i] < 0 ? i < axes.length - 1 : steps * points !== shape[part.axes[i]]) wrong.push(`${steps} steps of ${points} are not axis ${part.axes[i]} of ${shape.join()}`)
    })
    for (const n of part.stores) {
      if (made.has(n)) wrong.push(`${show(n)} is made twice`)
      if (loaded.has(n)) wrong.push(`${show(n)} is loaded and made`)
      if (stored.has(n) === local.has(n)) wrong.push(`${show(n)} is not either local or stored`)
      if (local.has(n) && String(local.get(n)!.axes) !== String(part.axes)) wrong.push(`${show(n)} has other row axes than its part`)
      made.set(n, part)
    }
  }
  for (const n of [...stored, ...local.keys()]) if (!made.has(n)) wrong.push(`no part makes ${show(n)}`)
  for (const n of loaded) if (!used.has(n)) wrong.push(`loads ${show(n)} in vain`)
  const room = scratch === null ? 0 : buffers[scratch].bytes
  const places = locals.map(({ node, offset, axes: own }) => {
    const maker = made.get(node)
    const from = !maker || summed(maker).length ? 0 : parts.indexOf(maker)
    return { node, offset, end: offset + sizeOf(inRow(node, own, axes)) * DTYPES[node.dtype].bytes, from, to: Math.max(from, parts.findLastIndex((p) => p.loads.includes(node))) }
  })
  places.forEach((a, i) => {
    if (a.offset % 16 || a.end > room) wrong.push(`local ${show(a.node)} leaves its place`)
    for (const b of places.slice(0, i)) {
      if (a.offset < b.end && b.offset < a.end && a.from <= b.to && b.from <= a.to) wrong.push(`locals ${show(a.node)} and ${show(b.node)} share bytes`)
    }
  })
  return wrong
}

const inRow = ({ shape }: Node, own: readonly number[], axes: RowsPlan['axes']): number[] =>
  shape.map((n, i) => (own.includes(i) ? axes[own.indexOf(i)].points : n))

/** Elements of a value that belong to one step, in row-major order. */
function elementsOf({ shape }: Node, own: readonly number[], { axes }: RowsPlan, step: readonly number[]): number[] {
  const strides = rowMajor(shape)
  return Array.from({ length: sizeOf(shape) }, (_, e) => e).filter((e) =>
    own.every((axis, k) => axis < 0 || axis >= shape.length || Math.floor((Math.floor(e / strides[axis]) % shape[axis]) / axes[k].points) === step[k]))
}

/** What a sum over rows has read and made until now. */
interface Until {
  readonly loads: ReadonlyMap<Node, TypedArray>
  readonly values: TypedArray
}

/** What the rows run on: buffers, a part's own meaning, and the scratch. */
export interface RowMemory {
  readonly view: (buffer: number, node: Node) => TypedArray
  readonly evaluate: (stored: readonly Node[], loads: ReadonlyMap<Node, TypedArray>) => ReadonlyMap<Node, TypedArray>
  readonly scratch: (b: Buffer['id']) => Uint8Array<ArrayBuffer>
}

/**
 * Runs the rows last to first, but upwards where a sum goes on, each on a scratch of NaN but for sums: whatever a part computes for other rows is
 * thrown away. A sum over rows is that of all rows until now, provided that memory still holds what it was before.
 */
export function runRows(k: Kernel, rows: RowsPlan, memory: RowMemory): void {
  const buffer = new Map([...k.loads, ...k.stores].map((b) => [b.node, b.buffer]))
  const local = new Map(rows.locals.map((l) => [l.node, l]))
  const madeBy = new Map(rows.parts.flatMap((p) => p.stores.map((n) => [n, p] as const)))
  const nothing = (n: Node): TypedArray => {
    const whole = new DTYPES[n.dtype].array(sizeOf(n.shape))
    new Uint8Array(whole.buffer).fill(0xff)
    return whole
  }
  const count = rows.axes.reduce((n, a) => n * a.steps, 1)
  const upwards = new Set(rows.parts.flatMap(summed))
  const until = new Map<RowPart, Until>()
  for (let row = count - 1; row >= 0; row--) {
    const strides = rowMajor(rows.axes.map((a) => a.steps))
    const position = strides.map((s, i) => Math.floor(row / s) % rows.axes[i].steps)
    const step = position.map((at, i) => (upwards.has(i) ? rows.axes[i].steps - 1 - at : at))
    const scratch = rows.scratch === null ? new Uint8Array() : memory.scratch(rows.scratch)
    /** What the row holds of a value. */
    const held = (n: Node, own: readonly number[]): TypedArray => {
      const { array } = DTYPES[n.dtype]
      return new array(scratch.buffer, scratch.byteOffset + local.get(n)!.offset, sizeOf(inRow(n, own, rows.axes)))
    }
    const sums = rows.parts.filter((p) => summed(p).some((k) => step[k] > 0)).flatMap((p) => (local.has(p.core!) ? held(p.core!, p.axes) : []))
    const kept = sums.map((sum) => sum.slice())
    scratch.fill(0xff)
    sums.forEach((sum, i) => sum.set(kept[i] as never))
    for (const part of rows.parts) {
      if (part.axes.some((axis, k) => axis < 0 && step[k] < rows.axes[k].steps - 1)) continue
      const over = summed(part)
      const before = over.some((k) => step[k] > 0) ? until.get(part)! : null
      const loads = new Map(part.loads.map((n) => {
        const maker = madeBy.get(n)
        if (!maker) return [n, memory.view(buffer.get(n)!, n).slice()]
        const whole = before?.loads.get(n)?.slice() ?? nothing(n)
        if (over.length && !before) {
          const everyStep = maker.axes.map((axis, k) => (over.includes(k) ? n.shape.length : axis))
          for (const e of elementsOf(n, everyStep, rows, step)) whole[e] = 0
        }
        const from = local.has(n) ? held(n, maker.axes) : memory.view(buffer.get(n)!, n)
        elementsOf(n, maker.axes, rows, step).forEach((e, i) => (whole[e] = from[local.has(n) ? i : e]))
        return [n, whole]
      }))
      const values = memory.evaluate(part.stores, loads)
      for (const n of part.stores) {
        const to = local.has(n) ? held(n, part.axes) : memory.view(buffer.get(n)!, n)
        const lost = before && elementsOf(n, part.axes, rows, step).some((e, i) => !Object.is(to[local.has(n) ? i : e], before.values[e]))
        if (over.length) until.set(part, { loads, values: values.get(n)! })
        if (lost) values.get(n)!.fill(NaN)
        elementsOf(n, part.axes, rows, step).forEach((e, i) => (to[local.has(n) ? i : e] = values.get(n)![e]))
      }
    }
  }
}
