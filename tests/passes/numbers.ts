// Evaluating nodes by name -> numbers, for tests of derivatives, layers and optimisers.
import { GradcError } from '../../src/ir/errors.ts'
import { evaluate, evaluateNodes } from '../../src/ir/evaluate.ts'
import type { Graph, Node } from '../../src/ir/graph.ts'
import type { Precision } from '../../src/ir/numeric.ts'
import type { TypedArray } from '../../src/ir/types.ts'

/** Numbers by the name of an input or state. */
export type Numbers = Readonly<Record<string, readonly number[]>>

/** The values of nodes; one record serves inputs and states. */
export function numbersOf(roots: readonly Node[], given: Numbers, precision: Precision = 'f64'): number[][] {
  const values = evaluateNodes(roots, { inputs: given, states: given }, { precision })
  return roots.map((r) => [...values.get(r)!])
}

type Lists = Record<string, number[]>
type Outcome = { readonly results: Lists; readonly updates: Lists }

/** Results and updates of a function. */
export function run(graph: Graph, given: Numbers, states: Numbers, precision: Precision = 'f64'): Outcome {
  const { results, updates } = evaluate(graph, { inputs: given, states }, { precision })
  const lists = (r: Record<string, TypedArray>): Lists => Object.fromEntries(Object.entries(r).map(([name, v]) => [name, [...v]]))
  return { results: lists(results), updates: lists(updates) }
}

/** Runs `body` and gives the user's error that it throws; anything else fails the test. */
export function refusal(body: () => unknown): GradcError {
  try {
    body()
  } catch (error) {
    if (error instanceof GradcError) return error
    throw error
  }
  throw new Error('nothing was refused')
}
