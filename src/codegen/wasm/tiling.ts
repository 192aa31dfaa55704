import { inOrder, type Expr } from '../../ir/expression.ts'
import { sizeOf } from '../../ir/types.ts'
import type { Affine } from '../../ir/affine.ts'
import type { Nest } from '../nest.ts'
import type { Load } from '../order.ts'
import type { Tiles } from './tiles.ts'

/**
 * How the vector operand comes into registers: `direct` as it lies, four elements at a time; `packed` into a panel of
 * neighbouring columns first; `turned`: loaded along four terms and transposed in registers; `strided` element by element.
 */
export type Feed = 'direct' | 'packed' | 'turned' | 'strided'

/** The tiling of a contraction: rows × vectors of accumulators that stay in registers over all terms. */
export interface Tiling {
  /** The operand that is loaded in vectors along `column`, and the one that is spread from single elements. */
  readonly vector: Load
  readonly single: Load
  /** What is multiplied: the loads themselves, or what widens them from f16 or bf16. */
  readonly factors: ReadonlyMap<Load, Expr>
  readonly column: number
  /** −1: there is no axis along which only `single` moves. */
  readonly row: number
  readonly rows: number
  readonly vectors: number
  readonly feed: Feed
  /** A packed vector operand: all of its columns before any tile, instead of those of each tile before its rows. */
  readonly allColumns: boolean
  /** The other operand's elements are copied next to each other first, this many rows at a time; 0: they are read where they are. */
  readonly rowBlock: number
  /** So many points of the outermost reduced axis are added up at a time, for all rows; sums wait in scratch between. 0: all points. */
  readonly termBlock: number
}

/** Are rows packed for this form of column tile? For a few of them they are not read often enough. */
export const packsRowsFor = (t: Tiling, columns: Tiles): boolean => t.rowBlock > 0 && columns.count > 2

/** Extents of the axes along which it moves. */
export const extentsOf = ({ free, reduced }: Nest, x: Load): number[] => [...free, ...reduced].filter((_, i) => x.index.coefficients[i] !== 0)

/** Its outermost reduced axis of more than one point. */
export const firstReduced = ({ reduced }: Nest): number => reduced.findIndex((n) => n > 1)

/** Terms of every sum that are added up at a time. */
export const termsAtATime = (nest: Nest, termBlock: number): number =>
  termBlock ? (sizeOf(nest.reduced) / nest.reduced[firstReduced(nest)]) * termBlock : sizeOf(nest.reduced)

/** Do at least four terms of the operand lie next to each other? */
export function runsAlongTerms(nest: Nest, { index: { coefficients } }: Load): boolean {
  const last = nest.reduced.findLastIndex((n) => n > 1)
  return last >= 0 && coefficients[nest.free.length + last] === 1 && nest.reduced[last] >= 4
}

/** What the stores load. */
export const loadsOf = ({ stores }: Nest): Extract<Expr, { index: Affine }>[] =>
  inOrder(stores.map((s) => s.value)).filter((e) => e.kind === 'load' || e.kind === 'gather')

/** Do the stores and what they load touch so many tensors that operands leave the first-level cache? */
export const touchesMuch = (nest: Nest): boolean => nest.stores.length + loadsOf(nest).length >= 4
