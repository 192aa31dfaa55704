import { InternalError } from '../../ir/errors.ts'
import type { Group } from './group.ts'

// Searches that would look at more than this are given up, and the merge with them: compile time stays almost linear.
const MAX_VISITS = 500
const MAX_SHIFT = 4000

/**
 * Groups in an order that respects their edges, kept up while groups merge: only what stands between the two can be
 * on a path from one to the other (after Pearce and Kelly, "A Dynamic Topological Sort Algorithm", JEA 2007).
 */
export class Ordering {
  readonly #at: (Group | null)[] = []

  /** Takes groups in any order; those without a constraint stay in the given one. */
  constructor(groups: readonly Group[]) {
    const state = new Map<Group, Iterator<Group>>()
    for (const g of groups) g.rank = -1
    for (const root of groups) {
      const stack = [root]
      while (stack.length) {
        const g = stack[stack.length - 1]
        if (g.rank >= 0) {
          stack.pop()
          continue
        }
        let rest = state.get(g)
        if (!rest) state.set(g, (rest = g.before.values()))
        const next = rest.next()
        if (next.done) {
          g.rank = this.#at.length
          this.#at.push(g)
          stack.pop()
        } else if (next.value.rank < 0) {
          if (state.has(next.value)) throw new InternalError('fuse', 'kernels wait for each other')
          stack.push(next.value)
        }
      }
    }
  }

  /** The groups that are left, in order. */
  get groups(): Group[] {
    return this.#at.filter((g): g is Group => g !== null)
  }

  /** Is there a path from `a` to `b` through a third group? Also true if that would take long to find out. */
  separated(a: Group, b: Group): boolean {
    const between = this.#between(a, b)
    if (!between) return true
    for (const g of between) if (g.after.has(b)) return true
    return false
  }

  /** The groups after `a` and, in rank, before `b`; null if they are many. */
  #between(a: Group, b: Group): Set<Group> | null {
    const seen = new Set<Group>()
    const stack = [a]
    let visits = 0
    while (stack.length) {
      for (const g of stack.pop()!.after) {
        if (++visits > MAX_VISITS) return null
        if (g.rank >= b.rank || seen.has(g)) continue
        seen.add(g)
        stack.push(g)
      }
    }
    return seen
  }

  /** Can the two be one group? `a` must come before `b` in rank. */
  mergeable(a: Group, b: Group): boolean {
    return b.rank - a.rank <= MAX_SHIFT && !this.separated(a, b)
  }

  /** Gives all edges of `b` to `a` and takes `b` out. The two must be mergeable, `a` first. */
  merge(a: Group, b: Group): void {
    const later = this.#between(a, b)
    if (!later) throw new InternalError('fuse', 'two kernels were merged that cannot be')
    for (const g of b.before) {
      g.after.delete(b)
      if (g !== a) {
        g.after.add(a)
        a.before.add(g)
      }
    }
    for (const g of b.after) {
      g.before.delete(b)
      g.before.add(a)
      a.after.add(g)
    }
    a.after.delete(b)
    b.before.clear()
    b.after.clear()
    // What must follow `a` moves behind the place of `b`, all else keeps its order.
    const window = this.#at.slice(a.rank, b.rank + 1)
    const keep = window.filter((g) => g !== null && g !== a && g !== b && !later.has(g))
    const moved = window.filter((g) => g !== null && later.has(g))
    const ordered = [...keep, a, ...moved]
    const start = a.rank
    b.rank = -1
    for (let i = 0; i < window.length; i++) {
      const g = ordered[i] ?? null
      this.#at[start + i] = g
      if (g) g.rank = start + i
    }
  }
}
