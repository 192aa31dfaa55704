import { axis } from '../../ir/affine.ts'
import type { Expr } from '../../ir/expression.ts'
import { rootsOfNest, type Nest } from '../nest.ts'
import { accumulate, startAccumulators, sumsInDoubles } from './accumulate.ts'
import { Block } from './block.ts'
import type { KernelText } from './kernel-text.ts'
import { Names } from './names.ts'
import { Scope } from './scope.ts'
import { writeStores } from './stores.ts'

/** Values at the end of a tile: more than this, and they go to a function of their own, called for each element. */
const LARGEST_INLINE_END = 4

/**
 * Appends the loops of a contraction to a kernel's function: they call, for each tile of the free axes, a function that adds
 * up its elements side by side in locals. It is one function a shape of tile: engines optimise a small function after a few
 * calls, but are slow to leave a long loop that they entered unoptimised.
 */
export function writeContraction(nest: Nest, tiles: readonly number[], kernel: KernelText, names: Names, body: Block): void {
  new ContractionWriter(nest, tiles, kernel, names, body.open(null)).write()
  body.close()
}

/** The function that ends an element, and what it takes after the free axes and the place of its sum: outside and inside. */
interface End {
  readonly name: string
  readonly flags: readonly string[]
  readonly parameters: readonly string[]
}

class ContractionWriter {
  readonly #nest: Nest
  readonly #kernel: KernelText
  /** Of the kernel's function: its loops over tiles, and what no axis moves. */
  readonly #scope: Scope
  readonly #axes: readonly string[]
  readonly #tiles: number[]
  /** Where an axis stands still: at its edge, or because one tile covers it. */
  readonly #fixed: (number | null)[]
  #end: End | null = null

  constructor(nest: Nest, tiles: readonly number[], kernel: KernelText, names: Names, root: Block) {
    this.#nest = nest
    this.#kernel = kernel
    this.#tiles = [...tiles]
    this.#fixed = nest.free.map(() => null)
    this.#axes = [...nest.free.map((_, i) => `i${i}`), ...nest.reduced.map((_, i) => `r${i}`)]
    this.#scope = new Scope({
      ...kernel, names, axes: this.#axes, coreAxes: nest.free.length, roots: rootsOfNest(nest), root, bound: kernel.rows,
    })
  }

  write(): void {
    if (this.#endCost() > LARGEST_INLINE_END) this.#outline()
    this.#free(this.#kernel.rows)
  }

  #free(axis: number): void {
    const { free } = this.#nest
    if (axis === free.length) return this.#tile()
    const extent = free[axis]
    const whole = this.#tiles[axis]
    const main = extent - (extent % whole)
    const inner = (tile: number, at: number | null): void => {
      if (at === null) this.#scope.loop(0, main, whole)
      else this.#scope.stand(at)
      this.#tiles[axis] = tile
      this.#fixed[axis] = at
      this.#free(axis + 1)
      this.#scope.close()
    }
    inner(whole, main === whole ? 0 : null)
    if (main < extent) inner(extent - main, main)
    this.#tiles[axis] = whole
  }

  /** Writes the function of a tile, and its call. */
  #tile(): void {
    const { free, value } = this.#nest
    const { functions, name: kernel } = this.#kernel
    const name = `${kernel}_tile${functions.length}`
    const moving = this.#axes.slice(0, free.length).filter((_, i) => this.#fixed[i] === null)
    const body = new Block(`function ${name}(${[...this.#kernel.bases.names, ...moving, ...(this.#end?.parameters ?? [])].join(', ')})`)
    const names = new Names()
    const roots = this.#end ? [value!] : rootsOfNest(this.#nest)
    const scope = new Scope({
      ...this.#kernel, names, axes: this.#axes, coreAxes: free.length, roots, root: body, bound: free.length, fixed: this.#fixed,
    })
    const instances = this.#instances()
    const sums = startAccumulators(this.#nest, scope, this.#kernel, names, instances.map(() => 'sum'), (i) => (scope.delta = instances[i]))
    scope.delta = instances[0]
    this.#over(scope, 0, () => {
      scope.tiled = instances.length > 1
      scope.shared = value!.args
      instances.forEach((delta, i) => {
        scope.delta = delta
        accumulate(this.#nest, scope, this.#kernel, sums[i])
      })
      scope.tiled = false
    })
    scope.delta = instances[0]
    if (this.#end) this.#callEnd(scope, sums, this.#end)
    else {
      scope.coreRounds = sumsInDoubles(this.#nest, this.#kernel)
      instances.forEach((delta, i) => {
        scope.delta = delta
        scope.core = sums[i]
        writeStores(this.#nest.stores, scope, this.#kernel.shared)
      })
    }
    functions.push(body.print(''))
    this.#scope.block.add(`${name}(${[...this.#kernel.bases.names, ...moving, ...(this.#end?.flags ?? [])].join(', ')})`)
  }

  /** Elements of the tile, as steps from its first one. */
  #instances(): number[][] {
    const none = this.#nest.reduced.map(() => 0)
    let all: number[][] = [[]]
    for (const t of this.#tiles) all = all.flatMap((d) => Array.from({ length: t }, (_, i) => [...d, i]))
    return all.map((d) => [...d, ...none])
  }

  /** Opens loops over the reduced axes from number `from` on, and closes them after `body`. */
  #over(scope: Scope, from: number, body: () => void): void {
    const { reduced } = this.#nest
    if (from === reduced.length) return body()
    if (reduced[from] === 1) scope.stand(0)
    else scope.loop(0, reduced[from])
    this.#over(scope, from + 1, body)
    scope.close()
  }

  /** Gives the sums of the tile to the function that ends an element, one after the other. */
  #callEnd(scope: Scope, sums: readonly string[], { name, parameters }: End): void {
    for (let i = 0; i < sums.length; i += 4) {
      scope.block.add(sums.slice(i, i + 4).map((sum, j) => `held[${i + j}] = ${sum}`).join('; '))
    }
    const { length } = this.#nest.free
    let block = scope.block
    let at = ''
    const elements = this.#tiles.map((tile, i) => {
      const first = scope.affine(axis(i, length))
      if (tile === 1) return first
      block = block.open(`for (let d${i} = 0; d${i} < ${tile}; d${i}++)`)
      at = at ? `${at.includes('+') ? `(${at})` : at} * ${tile} + d${i}` : `d${i}`
      return first === '0' ? `d${i}` : `${first} + d${i}`
    })
    block.add(`${name}(${[...this.#kernel.bases.names, ...elements, at || '0', ...parameters].join(', ')})`)
    scope.block.close()
  }

  /** Number of operations on the fold's result, and that result. */
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
   * Moves the stores to a function of the free axes. The sums of a tile and what neither they nor an axis move come in
   * `held`, because a fractional number that is passed to a function is allocated.
   */
  #outline(): void {
    const { free, stores } = this.#nest
    const roots = rootsOfNest({ ...this.#nest, value: null })
    const { functions, name: kernel, shared } = this.#kernel
    const name = `${kernel}_end${functions.length}`
    const axes = this.#axes.slice(0, free.length)
    const body = new Block(null)
    const inside = new Scope({
      ...this.#kernel, names: new Names(), axes, coreAxes: free.length, roots, root: body, bound: free.length,
    })
    body.add('const core = held[at]')
    inside.core = 'core'
    inside.coreRounds = sumsInDoubles(this.#nest, this.#kernel)
    const sums = this.#tiles.reduce((n, t) => n * t, 1)
    shared.hold(sums)
    const [flags, parameters]: [string[], string[]] = [[], []]
    this.#invariants(roots).forEach((e, i) => {
      const outer = this.#scope.named(e)
      inside.bind(e, `c${i}`)
      if (e.dtype === 'bool') {
        flags.push(outer)
        parameters.push(`c${i}`)
        return
      }
      shared.hold(sums + i + 1)
      this.#scope.block.add(`held[${sums + i}] = ${outer}`)
      body.add(`const c${i} = held[${sums + i}]`)
    })
    writeStores(stores, inside, shared)
    functions.push([`function ${name}(${[...this.#kernel.bases.names, ...axes, 'at', ...parameters].join(', ')}) {`, ...body.print('  '), '}'])
    this.#end = { name, flags, parameters }
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
