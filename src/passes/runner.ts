import { GradcError, InternalError } from '../ir/errors.ts'
import { rootsOf, topological, type Graph, type Node } from '../ir/graph.ts'
import { print } from '../ir/print.ts'
import { verify } from '../ir/verify.ts'

/** What a pass may ask, and where it may report. */
export interface PassContext {
  /** Also run rules that hold over the reals only (signed zeros, NaN or rounding may differ). */
  readonly fastMath?: boolean
  /** Verify after every pass, and check the promises of each rewrite. Always on in tests. */
  readonly verify?: boolean
  /** Name of the pass after which the graph is printed; `*` for all. Needs `log`. */
  readonly printAfter?: string
  readonly log?: (text: string) => void
  /** Filled with one entry a pass. */
  readonly timings?: PassTiming[]
  /** Filled with how often each rule has fired. */
  readonly fired?: Map<string, number>
}

/** How long one pass took. */
export interface PassTiming {
  readonly pass: string
  readonly milliseconds: number
  /** Nodes of the graph before and after. */
  readonly before: number
  readonly after: number
}

/** One step of the compiler: Graph → Graph. */
export interface Pass {
  readonly name: string
  /** `bits`: every result is the same to the bit. `values`: the same over the reals, and at least as accurate. */
  readonly keeps: 'bits' | 'values'
  readonly run: (graph: Graph, context: PassContext) => Graph
}

/** Runs passes in order. A pass that breaks an invariant of the IR is an InternalError that names it and shows the graph. */
export function runPasses(graph: Graph, passes: readonly Pass[], context: PassContext = {}): Graph {
  if (context.verify) verify(graph)
  let current = graph
  for (const pass of passes) {
    const start = performance.now()
    const next = pass.run(current, context)
    const milliseconds = performance.now() - start
    context.timings?.push({ pass: pass.name, milliseconds, before: nodesOf(current).length, after: nodesOf(next).length })
    if (context.log && (context.printAfter === pass.name || context.printAfter === '*')) {
      context.log(`// after ${pass.name}\n${print(next)}`)
    }
    if (context.verify) verifyAfter(pass, current, next)
    current = next
  }
  return current
}

const nodesOf = (graph: Graph): Node[] => topological(rootsOf(graph))

/** Invariants of the IR, and that the function's signature is still the same. */
function verifyAfter(pass: Pass, before: Graph, after: Graph): void {
  const where = `pass ${pass.name}`
  const signature = (g: Graph): string =>
    JSON.stringify([g.inputs, g.states, g.results, g.updates].map((entries) => entries.map((e) => e.name)))
  if (signature(before) !== signature(after)) {
    throw new InternalError(where, 'changed the inputs, states, results or updates', print(after))
  }
  try {
    verify(after)
  } catch (cause) {
    if (!(cause instanceof GradcError)) throw cause
    throw new InternalError(where, cause.problem, print(after))
  }
}
