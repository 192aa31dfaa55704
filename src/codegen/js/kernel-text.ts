import type { Expressions } from '../../ir/expression.ts'
import type { Node } from '../../ir/graph.ts'
import type { Bases } from './bases.ts'
import type { Shared } from './prelude.ts'

/** What one kernel function is written into. */
export interface KernelText {
  readonly name: string
  readonly expressions: Expressions
  readonly address: (node: Node) => number
  readonly shared: Shared
  /** What all functions of the kernel take first. */
  readonly bases: Bases
  /** Further functions that this kernel's function calls, as lines. */
  readonly functions: string[][]
  /** Does every index into memory fit an i32? */
  readonly small: boolean
  /** Loops that are open around every nest, over its first axes. */
  readonly rows: number
  /** May sums of f32 be added up in doubles? */
  readonly relaxed: boolean
}
