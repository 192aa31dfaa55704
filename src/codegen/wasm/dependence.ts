import { inOrder, type Expr } from '../../ir/expression.ts'
import { rootsOfNest, type Nest } from '../nest.ts'

/** Bit of an axis of the nest in a mask of what an expression depends on. */
export const axisBit = (axis: number): number => 1 << axis
/** Bit of an expression that reads the core. */
export const CORE: number = 1 << 30

/** On what the expressions of one nest depend, and how often each is used. */
export class Dependence {
  readonly #extents: readonly number[]
  readonly #coreMask: number
  readonly #masks = new Map<Expr, number>()
  readonly #uses = new Map<Expr, number>()

  constructor(nest: Nest) {
    this.#extents = [...nest.free, ...nest.reduced]
    const coreRank = nest.running ? this.#extents.length : nest.free.length
    this.#coreMask = this.#extents.reduce((m, n, i) => (i < coreRank && n > 1 ? m | axisBit(i) : m), CORE)
    const roots = rootsOfNest(nest)
    for (const e of [...roots, ...inOrder(roots).flatMap((x) => x.args)]) this.#uses.set(e, (this.#uses.get(e) ?? 0) + 1)
  }

  /** Axes, and the core, on which the expression depends. Axes of extent 1 do not count. */
  mask(e: Expr): number {
    let m = this.#masks.get(e)
    if (m !== undefined) return m
    m = e.kind === 'core' ? this.#coreMask : 0
    if ('index' in e) {
      for (const [i, c] of e.index.coefficients.entries()) if (c !== 0 && this.#extents[i] > 1) m |= axisBit(i)
    }
    for (const a of e.args) m |= this.mask(a)
    this.#masks.set(e, m)
    return m
  }

  /** How many operands and stores it is, in the nest; at least 1. */
  uses(e: Expr): number {
    return this.#uses.get(e) ?? 1
  }
}
