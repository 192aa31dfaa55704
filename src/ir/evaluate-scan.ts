import type { Graph, Node } from './graph.ts'
import { scanSpec } from './ops/region.ts'
import type { TypedArray } from './types.ts'

/** Evaluates the results of a body from values of its inputs. */
export type EvaluateBody = (body: Graph, inputs: ReadonlyMap<Node, ArrayLike<number>>) => TypedArray[]

/** All results of a scan, step by step: the carries after the last step, then the outputs stacked along a new first axis. */
export function evaluateScan(node: Node, xs: readonly TypedArray[], empty: (like: Node, length: number) => TypedArray, run: EvaluateBody): TypedArray[] {
  const { carries, scanned, length, reverse } = scanSpec(node.attrs)
  const [body] = node.regions
  let carry = xs.slice(0, carries)
  const outputs = body.results.slice(carries).map((r) => empty(r.node, length))
  for (let i = 0; i < length; i++) {
    const t = reverse ? length - 1 - i : i
    const inputs = new Map<Node, ArrayLike<number>>(body.inputs.map(({ node: input }, j) => {
      if (j < carries) return [input, carry[j]]
      if (j >= carries + scanned) return [input, xs[j]]
      const size = xs[j].length / length
      return [input, xs[j].subarray(t * size, (t + 1) * size)]
    }))
    const results = run(body, inputs)
    carry = results.slice(0, carries)
    outputs.forEach((out, j) => out.set(results[carries + j] as never, t * results[carries + j].length))
  }
  return [...carry, ...outputs]
}
