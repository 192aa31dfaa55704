import type { Graph, Node } from './graph.ts'
import type { TensorType } from './types.ts'

/**
 * Where a buffer lives. States and constants outlive a step; the arena is shared by all functions of a program. `outer`:
 * in the plan of a loop's body, a buffer of the plan around it, which the loop's {@link LoopPlan} names.
 */
export type Region = 'state' | 'constant' | 'arena' | 'outer'

/** A contiguous, row-major piece of memory with a fixed place. */
export interface Buffer {
  readonly id: number
  readonly type: TensorType
  readonly region: Region
  /** Bytes from the start of its region; a multiple of 16. Buffers of the arena may share bytes when not live together. */
  readonly offset: number
  readonly bytes: number
  /** Name of the input, state or result it is, for reports. */
  readonly name: string
  /** First and last kernel position at which it holds a value; the whole step for inputs that are read later, and results. */
  readonly from: number
  readonly to: number
}

/** A node and the buffer that holds its value for one kernel. */
export interface Binding {
  readonly node: Node
  readonly buffer: number
}

/**
 * One loop nest, or a few over one output. `core` sets the loops: a reduce, contract, cumulate, place or scatter node;
 * null for a pure map. Every store has the core's shape (for a map: one common shape), elements in row-major order.
 * A store's node is computed in place from `core` and loads; a store whose node is also loaded is a copy.
 */
export interface Kernel {
  readonly name: string
  readonly core: Node | null
  readonly loads: readonly Binding[]
  readonly stores: readonly Binding[]
  /** A kernel that is a loop: its core is a region, its stores are results of that. */
  readonly loop?: LoopPlan
  /** A kernel that is several, run together row by row: it has no core of its own. */
  readonly rows?: RowsPlan
}

/** One of the loops that a row kernel runs its parts in: `steps` times, each over `points` neighbours of an axis. */
export interface RowAxis {
  readonly steps: number
  readonly points: number
}

/** A kernel without buffers: what it loads and stores is in those of the row kernel, or local to the row. */
export interface RowPart {
  readonly core: Node | null
  readonly loads: readonly Node[]
  readonly stores: readonly Node[]
  /**
   * For each row axis the axis of the part's points that it cuts into steps: one of its stores, or, counted on behind those, the
   * outermost that its sum runs over. Such a sum of f32 goes on from step to step in the place of its only store, and is complete
   * after the last one. −1: the part runs once after all steps of the (innermost) axis, and reads such sums, but nothing of steps.
   */
  readonly axes: readonly number[]
}

/** A value that one row makes and nobody reads after it: only what the row holds of it is ever in memory. */
export interface RowLocal {
  readonly node: Node
  /** Bytes from the start of the scratch; a multiple of 16. */
  readonly offset: number
  /** As those of the part that makes it. */
  readonly axes: readonly number[]
}

/**
 * For each step of the row axes, outermost first, every part in order over that step's points. A part reads what another one
 * has made in the same step only; rows may run in any order, but for steps along which a sum goes on: those run upwards.
 */
export interface RowsPlan {
  readonly axes: readonly RowAxis[]
  readonly parts: readonly RowPart[]
  readonly locals: readonly RowLocal[]
  /** The buffer of all locals; null if there is none. */
  readonly scratch: number | null
}

/**
 * The steps of a loop: the body is a plan of its own inside `scratch`, first its states (the carries), then its arena. The
 * carries are copied in before the first step and out after the last; inputs that are scanned are copied in, and outputs
 * out, in each step.
 */
export interface LoopPlan {
  readonly length: number
  readonly reverse: boolean
  readonly plan: Plan
  /** A buffer of the plan around: where the body's memory is. */
  readonly scratch: number
  readonly stateBytes: number
  /** Place of a carry in the body's state, where it comes from, and where its last value goes (null: nowhere). */
  readonly carries: readonly { readonly offset: number; readonly bytes: number; readonly from: number; readonly to: readonly number[] }[]
  /** Input of the body's plan and the buffer around that holds all steps of it. */
  readonly scanned: readonly { readonly input: number; readonly bytes: number; readonly from: number }[]
  /** Buffer of the body's plan in the region `outer`, and the buffer around that it is. */
  readonly captured: readonly { readonly buffer: number; readonly from: number }[]
  /** Result of the body's plan and the buffers around that take all steps of it. */
  readonly outputs: readonly { readonly result: number; readonly bytes: number; readonly to: readonly number[] }[]
}

/** A function with every byte placed. */
export interface Plan {
  readonly name: string
  readonly graph: Graph
  readonly kernels: readonly Kernel[]
  readonly buffers: readonly Buffer[]
  /** Where the caller writes inputs and reads results. */
  readonly inputs: readonly (Binding & { readonly name: string })[]
  readonly results: readonly (Binding & { readonly name: string })[]
  /** Exact bytes of the arena that this function needs. */
  readonly arenaBytes: number
  /** Largest sum of bytes live at once: no allocation can do with less. */
  readonly lowerBound: number
  /** Work that is done again to keep a budget, in percent of the work without. */
  readonly recomputePercent?: number
}

/** States and constants of a whole program, laid out once for all its functions. */
export interface Layout {
  readonly states: ReadonlyMap<string, { readonly offset: number; readonly type: TensorType }>
  readonly stateBytes: number
  readonly constants: readonly { readonly node: Node; readonly offset: number }[]
  readonly constantBytes: number
}
