import { Builder } from './builder.ts'
import type { Graph, Named, Node } from './graph.ts'
import { scanAttrs } from './ops/region.ts'

/** A loop before it is made: its body, and the operands in their three kinds. */
export interface Loop {
  readonly body: Graph
  readonly carries: readonly Node[]
  readonly scanned: readonly Node[]
  readonly captured: readonly Node[]
  readonly length: number
  readonly reverse: boolean
}

/** All results of a loop, carries first. */
export function loop(b: Builder, { body, carries, scanned, captured, length, reverse }: Loop, recompute = false): Node[] {
  const spec = { carries: carries.length, scanned: scanned.length, length, reverse, recompute }
  const operands = [...carries, ...scanned, ...captured]
  return body.results.map((_, index) => b.make('scan', operands, scanAttrs({ ...spec, index }), [body]))
}

/**
 * The same results from a loop over segments of `steps` steps, each a loop of its own, and one over what is left. Reverse
 * mode keeps the carries between segments, and runs a segment again before it goes back through it: Chen et al.,
 * "Training deep nets with sublinear memory cost" (2016).
 */
export function loopBySegments(b: Builder, given: Loop, steps: number): Node[] {
  const { body, carries, scanned, captured, length, reverse } = given
  const whole = Math.floor(length / steps)
  const rest = length - whole * steps
  // The steps that are left over come last in the order of the loop.
  const from = reverse ? rest : 0
  const cut = (x: Node, start: number, size: number): Node =>
    b.make('slice', [x], {
      start: [start, ...x.shape.slice(1).map(() => 0)], size: [size, ...x.shape.slice(1)], step: x.shape.map(() => 1),
    })
  const main = scanned.map((x) => b.make('reshape', [cut(x, from, whole * steps)], { shape: [whole, steps, ...x.shape.slice(1)] }))
  const outer = { ...given, body: segment(given, steps), scanned: main, length: whole }
  const made = loop(b, outer, true)
  const outputs = made.slice(carries.length).map((y) => b.make('reshape', [y], { shape: [whole * steps, ...y.shape.slice(2)] }))
  const after = made.slice(0, carries.length)
  if (!rest) return [...after, ...outputs]
  const tail = loop(b, { body, carries: after, scanned: scanned.map((x) => cut(x, reverse ? 0 : length - rest, rest)), captured, length: rest, reverse })
  const both = outputs.map((y, i) => {
    const last = tail[carries.length + i]
    return b.make('concat', reverse ? [last, y] : [y, last], { axis: 0 })
  })
  return [...tail.slice(0, carries.length), ...both]
}

/** The body of the outer loop: the inner one over `steps` slices. */
function segment({ body, carries, scanned, reverse }: Loop, steps: number): Graph {
  const b = new Builder()
  const inputs = body.inputs.map(({ name, node }, i): Named => {
    const sliced = i >= carries.length && i < carries.length + scanned.length
    return { name, node: b.input(name, sliced ? { dtype: node.dtype, shape: [steps, ...node.shape] } : node) }
  })
  const nodes = inputs.map((i) => i.node)
  const results = loop(b, {
    body, length: steps, reverse,
    carries: nodes.slice(0, carries.length),
    scanned: nodes.slice(carries.length, carries.length + scanned.length),
    captured: nodes.slice(carries.length + scanned.length),
  })
  return { name: 'segment', builder: b, inputs, states: [], results: results.map((node, i) => ({ name: body.results[i].name, node })), updates: [] }
}
