import type { Affine } from './affine.ts'
import { roundTo } from './builder.ts'
import type { Node } from './graph.ts'
import type { Arith, Routine, ScalarOp } from './scalar.ts'
import type { DType } from './types.ts'

/**
 * Scalar expression of one element of a kernel's iteration space: a DAG, interned by its {@link Expressions}.
 * Leaves read buffers through affine element indices over the axes of the iteration space.
 */
export type Expr =
  | { readonly kind: 'lit'; readonly dtype: DType; readonly value: number; readonly args: readonly [] }
  /** Element `index` of the buffer that holds `node`. */
  | { readonly kind: 'load'; readonly dtype: DType; readonly node: Node; readonly index: Affine; readonly args: readonly [] }
  /** Element `index + clamp(args[0], 0, limit − 1) · stride` of the buffer that holds `node`. */
  | { readonly kind: 'gather'; readonly dtype: DType; readonly node: Node; readonly index: Affine; readonly stride: number; readonly limit: number; readonly args: readonly [Expr] }
  /** The value of the form itself, as a number. */
  | { readonly kind: 'position'; readonly dtype: DType; readonly index: Affine; readonly args: readonly [] }
  /** Philox word number `index` under key (args 0 and 1) and stream (args 2). */
  | { readonly kind: 'random'; readonly dtype: 'u32'; readonly index: Affine; readonly args: readonly [Expr, Expr, Expr] }
  /** What the kernel's core (a reduction or contraction) has just made at this point. */
  | { readonly kind: 'core'; readonly dtype: DType; readonly args: readonly [] }
  /** args 1, or where args 0 holds the routine's value of args 2. */
  | { readonly kind: 'rarely'; readonly dtype: 'f32'; readonly routine: Routine; readonly args: readonly [Expr, Expr, Expr] }
  | { readonly kind: 'scalar'; readonly op: ScalarOp | 'cast' | 'bitcast'; readonly dtype: DType; readonly args: readonly Expr[] }

const BOOLEAN = new Set<ScalarOp>(['eq', 'ne', 'lt', 'le', 'gt', 'ge'])

/** Builds expressions, each only once. */
export class Expressions {
  readonly #interned = new Map<string, Expr>()
  readonly #ids = new Map<Expr, number>()

  /** Operands before users; usable as a name for a local. */
  id(e: Expr): number {
    return this.#ids.get(e)!
  }

  #intern(key: string, e: Expr): Expr {
    const known = this.#interned.get(key)
    if (known) return known
    this.#interned.set(key, e)
    this.#ids.set(e, this.#ids.size)
    return e
  }

  #args(args: readonly Expr[]): string {
    return args.map((a) => this.id(a)).join()
  }

  lit(value: number, dtype: DType): Expr {
    const v = roundTo(value, dtype)
    return this.#intern(`lit ${dtype} ${Object.is(v, -0) ? '-0' : v}`, { kind: 'lit', dtype, value: v, args: [] })
  }

  load(node: Node, index: Affine): Expr {
    return this.#intern(`load ${node.id} ${form(index)}`, { kind: 'load', dtype: node.dtype, node, index, args: [] })
  }

  gather(node: Node, index: Affine, stride: number, limit: number, at: Expr): Expr {
    const key = `gather ${node.id} ${form(index)} ${stride} ${limit} ${this.id(at)}`
    return this.#intern(key, { kind: 'gather', dtype: node.dtype, node, index, stride, limit, args: [at] })
  }

  position(index: Affine, dtype: DType): Expr {
    if (index.coefficients.every((c) => c === 0)) return this.lit(index.offset, dtype)
    return this.#intern(`position ${dtype} ${form(index)}`, { kind: 'position', dtype, index, args: [] })
  }

  random(key0: Expr, key1: Expr, stream: Expr, index: Affine): Expr {
    const args = [key0, key1, stream] as const
    return this.#intern(`random ${form(index)} ${this.#args(args)}`, { kind: 'random', dtype: 'u32', index, args })
  }

  core(dtype: DType): Expr {
    return this.#intern(`core ${dtype}`, { kind: 'core', dtype, args: [] })
  }

  scalar(op: ScalarOp | 'cast' | 'bitcast', dtype: DType, args: readonly Expr[]): Expr {
    return this.#intern(`${op} ${dtype} ${this.#args(args)}`, { kind: 'scalar', op, dtype, args })
  }

  rarely(condition: Expr, usual: Expr, x: Expr, routine: Routine): Expr {
    const args = [condition, usual, x] as const
    return this.#intern(`rarely ${routine.name} ${this.#args(args)}`, { kind: 'rarely', dtype: 'f32', routine, args })
  }

  /** The arithmetic that op formulas are written against, building expressions. */
  readonly arith: Arith<Expr> = new Proxy({} as Arith<Expr>, {
    get: (_, op: string) => {
      if (op === 'lit') return (value: number, dtype: DType) => this.lit(value, dtype)
      if (op === 'rarely') return this.rarely.bind(this)
      if (op === 'dtype') return (x: Expr) => x.dtype
      if (op === 'cast' || op === 'bitcast') return (x: Expr, to: DType) => (x.dtype === to ? x : this.scalar(op, to, [x]))
      return (...args: Expr[]) => this.scalar(op as ScalarOp, resultOf(op as ScalarOp, args), args)
    },
  })
}

function resultOf(op: ScalarOp, args: readonly Expr[]): DType {
  if (BOOLEAN.has(op)) return 'bool'
  return op === 'select' ? args[1].dtype : args[0].dtype
}

const form = (a: Affine): string => `${a.offset}+${a.coefficients.join()}`

/** All expressions below these roots, operands first. */
export function inOrder(roots: readonly Expr[]): Expr[] {
  const seen = new Set<Expr>()
  const order: Expr[] = []
  const visit = (e: Expr): void => {
    if (seen.has(e)) return
    seen.add(e)
    e.args.forEach(visit)
    order.push(e)
  }
  roots.forEach(visit)
  return order
}
