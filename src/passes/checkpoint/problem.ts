/** A kernel, as far as recomputation is concerned. */
export interface Task {
  /** Work of one run, in any unit. */
  readonly cost: number
  /** Values that it reads, each once. */
  readonly reads: readonly number[]
  /** Values that it makes. A run that repeats it makes only those that are wanted. */
  readonly writes: readonly number[]
  /** Bytes that it needs besides while it runs; default 0. */
  readonly scratch?: number
  /** False for a task that changes a state: it runs once. Default true. */
  readonly repeatable?: boolean
  /** A task that overwrites a state which this one reads: no run of this one may come after it. Default none. */
  readonly until?: number
}

/** Tasks in an order in which they can run, and the values that pass between them. */
export interface Problem {
  readonly tasks: readonly Task[]
  /** Bytes of each value. */
  readonly bytes: readonly number[]
  /** Values that somebody reads after the last task: once made they stay. */
  readonly pinned?: readonly number[]
  /** Values that are there before the first task; they stay until they are read last, and cannot be made again. */
  readonly initial?: readonly number[]
}

/**
 * Tasks by index with repeats; first runs stand in the order of the problem. A value lives from a run that makes it to its last
 * use before it is made again. The peak counts what a task makes together with what it reads.
 */
export interface Schedule {
  readonly feasible: true
  readonly order: readonly number[]
  readonly peakBytes: number
  /** Cost of all repeats. */
  readonly extraCost: number
}

/** No plan was found under the budget. */
export interface Infeasible {
  readonly feasible: false
  /** The least peak of any plan that was found. */
  readonly leastBytes: number
  /** The task at that peak. */
  readonly at: number
}

/** How hard to try. Plans depend on these and the problem alone, never on the clock. */
export interface SolveOptions {
  /** Of the generator that annealing draws from; default 0. */
  readonly seed?: number
  /** Work that annealing may do, in evaluations of a changed plan; the default grows with the problem. */
  readonly work?: number
}

/** Plans under a budget in bytes. */
export type Solve = (problem: Problem, budget: number, options?: SolveOptions) => Schedule | Infeasible
