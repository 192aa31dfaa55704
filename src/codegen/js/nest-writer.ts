import { axis } from '../../ir/affine.ts'
import type { Expr, Expressions } from '../../ir/expression.ts'
import type { Node } from '../../ir/graph.ts'
import { rowMajor } from '../../ir/types.ts'
import { neutral } from '../lower/neutral.ts'
import { rootsOfNest } from '../lower/simplify.ts'
import type { Nest } from '../nest.ts'
import { orderOf } from '../order.ts'
import { Block } from './block.ts'
import { Names } from './names.ts'
import type { Shared } from './prelude.ts'
import { combineText, literal } from './scalar.ts'
import { Scope } from './scope.ts'
import { writeStores } from './stores.ts'
import { tilesOf } from './tile.ts'

/** Values at the end of a tile: more than this, and they go to a function of their own, called for each element. */
const LARGEST_INLINE_END = 4

/** What one kernel function is written into. */
export interface KernelText {
  readonly name: string
  readonly expressions: Expressions
  readonly address: (node: Node) => number
  readonly shared: Shared
  /** Further functions that this kernel's function calls. */
  readonly functions: string[]
}

/** Appends the loops of one nest to a function's body. */
export function writeNest(nest: Nest, kernel: KernelText, names: Names, body: Block): void {
  new NestWriter(nest, kernel, names, body.open(null)).write()
  body.close()
}

class NestWriter {
  readonly #nest: Nest
  readonly #kernel: KernelText
  readonly #names: Names
  readonly #scope: Scope
  readonly #tiles: number[]
  /** The function that ends a tile, and what it takes after the free axes. */
  #end: { name: string; flags: string[] } | null = null

  constructor(nest: Nest, kernel: KernelText, names: Names, root: Block) {
    this.#nest = nest
    this.#kernel = kernel
    this.#names = names
    this.#tiles = tilesOf(nest)
    const axes = [...nest.free.map((_, i) => `i${i}`), ...nest.reduced.map((_, i) => `r${i}`)]
    const coreAxes = nest.running ? axes.length : nest.free.length
    this.#scope = new Scope({ ...kernel, names, axes, coreAxes, roots: rootsOfNest(nest), root })
  }

  write(): void {
    if (this.#isTiled() && this.#endCost() > LARGEST_INLINE_END) this.#outline()
    this.#free(0)
  }

  #isTiled(): boolean {
    return this.#tiles.some((t) => t > 1)
  }

  #free(axis: number): void {
    const { free } = this.#nest
    if (axis === free.length) return this.#inside()
    const extent = free[axis]
    const whole = this.#tiles[axis]
    const main = extent - (extent % whole)
    const inner = (tile: number): void => {
      this.#tiles[axis] = tile
      this.#free(axis + 1)
      this.#scope.close()
    }
    if (main === whole && whole > 1) this.#scope.stand(0)
    else this.#scope.loop(0, main, whole)
    inner(whole)
    if (main < extent) {
      this.#scope.stand(main)
      inner(extent - main)
    }
    this.#tiles[axis] = whole
  }

  #inside(): void {
    const { combine, running } = this.#nest
    if (combine === null) this.#stores()
    else if (running) this.#running()
    else if (combine === 'argmax' || combine === 'argmin') this.#position(combine)
    else if (orderOf(this.#nest) === 'lanes') this.#lanes()
    else this.#fold()
  }

  /** Elements of the tile, as steps from its first one. */
  #instances(): number[][] {
    const none = this.#nest.reduced.map(() => 0)
    let all: number[][] = [[]]
    for (const t of this.#tiles) all = all.flatMap((d) => Array.from({ length: t }, (_, i) => [...d, i]))
    return all.map((d) => [...d, ...none])
  }

  /** Opens loops over the reduced axes from number `from` on, and closes them after `body`. */
  #over(from: number, body: () => void): void {
    const { reduced } = this.#nest
    if (from === reduced.length) return body()
    if (reduced[from] === 1) this.#scope.stand(0)
    else this.#scope.loop(0, reduced[from])
    this.#over(from + 1, body)
    this.#scope.close()
  }

  #accumulate(name: string): void {
    const { combine, value } = this.#nest
    if (value!.dtype === 'f32' && (combine === 'sum' || combine === 'prod')) this.#kernel.shared.need('fround')
    this.#scope.block.add(`${name} = ${combineText(combine!, value!.dtype, name, this.#scope.text(value!))}`)
  }

  /** Declares accumulators with these stems, a few on a line. */
  #start(...stems: string[]): string[] {
    const { combine, value } = this.#nest
    const first = literal(neutral(combine!, value!.dtype), value!.dtype).text
    const names = stems.map((stem) => this.#names.fresh(stem))
    for (let i = 0; i < names.length; i += 4) {
      this.#scope.block.add(`let ${names.slice(i, i + 4).map((name) => `${name} = ${first}`).join(', ')}`)
    }
    return names
  }

  /** One accumulator for each element of the tile, terms one after the other. */
  #fold(): void {
    const scope = this.#scope
    const instances = this.#instances()
    const accumulators = this.#start(...instances.map(() => this.#nest.combine!))
    this.#over(0, () => {
      scope.tiled = instances.length > 1
      scope.shared = this.#nest.value!.args
      instances.forEach((delta, i) => {
        scope.delta = delta
        this.#accumulate(accumulators[i])
      })
      scope.tiled = false
    })
    instances.forEach((delta, i) => {
      scope.delta = delta
      scope.core = accumulators[i]
      this.#stores()
    })
    scope.delta = instances[0]
  }

  /** Four partial sums and a tail: see order.ts. */
  #lanes(): void {
    const scope = this.#scope
    const { free, reduced } = this.#nest
    const last = reduced.length - 1
    const main = reduced[last] - (reduced[last] % 4)
    const partial = this.#start('sum', 'sum', 'sum', 'sum')
    const tail = main < reduced[last] ? this.#start('tail')[0] : null
    const first = scope.delta
    const outer = (axis: number, body: () => void): void => {
      if (axis === last) return body()
      scope.loop(0, reduced[axis])
      outer(axis + 1, body)
      scope.close()
    }
    outer(0, () => {
      scope.loop(0, main, 4)
      partial.forEach((name, i) => {
        scope.delta = first.map((d, axis) => (axis === free.length + last ? i : d))
        this.#accumulate(name)
      })
      scope.delta = first
      scope.close()
      if (!tail) return
      scope.loop(main, reduced[last])
      this.#accumulate(tail)
      scope.close()
    })
    const [a, b, c, d] = partial
    const pairs = `fround(fround(${a} + ${c}) + fround(${b} + ${d}))`
    scope.core = this.#names.fresh('core')
    scope.block.add(`const ${scope.core} = ${tail ? `fround(${pairs} + ${tail})` : pairs}`)
    this.#stores()
  }

  #running(): void {
    const [sum] = this.#start('sum')
    this.#over(0, () => {
      this.#accumulate(sum)
      this.#scope.core = sum
      this.#stores()
    })
  }

  /** First position of the extreme value; the first NaN wins. */
  #position(combine: 'argmax' | 'argmin'): void {
    const scope = this.#scope
    const { reduced, value, free } = this.#nest
    const [best] = this.#start('best')
    const at = this.#names.fresh('at')
    scope.block.add(`let ${at} = 0`)
    const coefficients = [...free.map(() => 0), ...rowMajor(reduced)]
    this.#over(0, () => {
      const v = scope.named(value!)
      const better = `${v} ${combine === 'argmax' ? '>' : '<'} ${best}`
      const nan = value!.dtype === 'f32' || value!.dtype === 'f64' ? ` || ${v} !== ${v} && ${best} === ${best}` : ''
      const inner = scope.block.open(`if (${better}${nan})`)
      inner.add(`${best} = ${v}`)
      inner.add(`${at} = ${scope.index({ offset: 0, coefficients }, 0, 'bool')}`)
      scope.block.close()
    })
    scope.core = at
    this.#stores()
  }

  #stores(): void {
    if (!this.#end) return writeStores(this.#nest.stores, this.#scope, this.#kernel.shared)
    const axes = this.#nest.free.map((_, i) => this.#scope.index(axis(i, this.#nest.free.length), 0, 'bool'))
    this.#scope.block.add(`held[0] = ${this.#scope.core}`)
    this.#scope.block.add(`${this.#end.name}(${[...axes, ...this.#end.flags].join(', ')})`)
  }

  /** Number of operations on the fold's result. */
  #endCost(): number {
    const seen = new Set<Expr>()
    const visit = (e: Expr): void => {
      if (seen.has(e) || !this.#scope.dependsOnCore(e)) return
      seen.add(e)
      e.args.forEach(visit)
    }
    this.#nest.stores.forEach((s) => visit(s.value))
    return seen.size
  }

  /**
   * Moves the stores to a function of the free axes. The fold's result and what neither it nor an axis moves come in
   * `held`, because a fractional number that is passed to a function is allocated.
   */
  #outline(): void {
    const { free, stores } = this.#nest
    const { functions, name: kernel, shared } = this.#kernel
    const name = `${kernel}_end${functions.length}`
    const axes = free.map((_, i) => `i${i}`)
    const body = new Block(null)
    const roots = rootsOfNest({ ...this.#nest, value: null })
    const inside = new Scope({ ...this.#kernel, names: new Names(), axes, coreAxes: free.length, roots, root: body, bound: true })
    body.add('const core = held[0]')
    inside.core = 'core'
    const [flags, parameters]: [string[], string[]] = [[], []]
    this.#invariants(roots).forEach((e, i) => {
      const outer = this.#scope.named(e)
      inside.bind(e, `c${i}`)
      if (e.dtype === 'bool') {
        flags.push(outer)
        parameters.push(`c${i}`)
        return
      }
      shared.hold(i + 2)
      this.#scope.block.add(`held[${i + 1}] = ${outer}`)
      body.add(`const c${i} = held[${i + 1}]`)
    })
    shared.hold(1)
    writeStores(stores, inside, shared)
    functions.push(`function ${name}(${[...axes, ...parameters].join(', ')}) {`, ...body.print('  '), '}')
    this.#end = { name, flags }
  }

  /** The largest parts of these that neither an axis nor the fold's result moves. */
  #invariants(roots: readonly Expr[]): Expr[] {
    const seen = new Set<Expr>()
    const found: Expr[] = []
    const visit = (e: Expr): void => {
      if (seen.has(e) || e.kind === 'lit') return
      seen.add(e)
      if (this.#scope.isInvariant(e)) found.push(e)
      else e.args.forEach(visit)
    }
    roots.forEach(visit)
    return found
  }
}
