// What the replayer of plans (replayer.ts) asks of a kernel that runs others row by row: that every value is made before it is
// read, that what is local fits its scratch, and, with real bytes, that no row needs or destroys anything of another.
import type { Node } from '../src/ir/graph.ts'
import type { Buffer, Kernel, Plan, RowPart, RowsPlan } from '../src/ir/plan.ts'
import { DTYPES, rowMajor, sizeOf, type TypedArray } from '../src/ir/types.ts'

const show = (n: Node): string => `%${n.id} ${n.op} ${n.dtype}[${n.shape.join()}]`

/** The part as a kernel of its own; what is local has no buffer. */
export function partKernel(k: Kernel, { core, loads, stores }: RowPart): Kernel {
  const bindings = new Map([...k.loads, ...k.stores].map((b) => [b.node, b.buffer]))
  const bound = (nodes: readonly Node[]): Kernel['loads'] => nodes.map((node) => ({ node, buffer: bindings.get(node) ?? -1 }))
  return { name: k.name, core, loads: bound(loads), stores: bound(stores) }
}

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
    const shape = part.core?.shape ?? part.stores[0].shape
    if (part.axes.length !== axes.length || new Set(part.axes).size !== axes.length) wrong.push('a part has other row axes')
    axes.forEach(({ steps, points }, i) => {
      if (steps * points !== shape[part.axes[i]]) wrong.push(`${steps} steps of ${points} are not axis ${part.axes[i]} of ${shape.join()}`)
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
    const from = parts.indexOf(made.get(node)!)
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
    own.every((axis, k) => Math.floor((Math.floor(e / strides[axis]) % shape[axis]) / axes[k].points) === step[k]))
}

/** What the rows run on: buffers, a part's own meaning, and the scratch. */
export interface RowMemory {
  readonly view: (buffer: number, node: Node) => TypedArray
  readonly evaluate: (stored: readonly Node[], loads: ReadonlyMap<Node, TypedArray>) => ReadonlyMap<Node, TypedArray>
  readonly scratch: (b: Buffer['id']) => Uint8Array<ArrayBuffer>
}

/** Runs the rows last to first, each on a scratch of NaN: whatever a part computes for other rows is thrown away. */
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
  for (let row = count - 1; row >= 0; row--) {
    const strides = rowMajor(rows.axes.map((a) => a.steps))
    const step = strides.map((s, i) => Math.floor(row / s) % rows.axes[i].steps)
    const scratch = rows.scratch === null ? new Uint8Array() : memory.scratch(rows.scratch).fill(0xff)
    /** What the row holds of a value. */
    const held = (n: Node, own: readonly number[]): TypedArray => {
      const { array } = DTYPES[n.dtype]
      return new array(scratch.buffer, scratch.byteOffset + local.get(n)!.offset, sizeOf(inRow(n, own, rows.axes)))
    }
    for (const part of rows.parts) {
      const loads = new Map(part.loads.map((n) => {
        const maker = madeBy.get(n)
        if (!maker) return [n, memory.view(buffer.get(n)!, n).slice()]
        const whole = nothing(n)
        const from = local.has(n) ? held(n, maker.axes) : memory.view(buffer.get(n)!, n)
        elementsOf(n, maker.axes, rows, step).forEach((e, i) => (whole[e] = from[local.has(n) ? i : e]))
        return [n, whole]
      }))
      const values = memory.evaluate(part.stores, loads)
      for (const n of part.stores) {
        const to = local.has(n) ? held(n, part.axes) : memory.view(buffer.get(n)!, n)
        elementsOf(n, part.axes, rows, step).forEach((e, i) => (to[local.has(n) ? i : e] = values.get(n)![e]))
      }
    }
  }
}
