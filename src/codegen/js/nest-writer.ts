import { rowMajor } from '../../ir/types.ts'
import { rootsOfNest, type Nest } from '../nest.ts'
import { orderOf } from '../order.ts'
import { accumulate, startAccumulators, sumsInDoubles } from './accumulate.ts'
import type { Block } from './block.ts'
import { writeContraction } from './contraction.ts'
import type { KernelText } from './kernel-text.ts'
import type { Names } from './names.ts'
import { Scope } from './scope.ts'
import { writeStores } from './stores.ts'
import { tilesOf } from './tile.ts'

/** Appends the loops of one nest to a function's body. */
export function writeNest(nest: Nest, kernel: KernelText, names: Names, body: Block): void {
  const tiles = tilesOf(nest, kernel.rows)
  if (tiles.some((t) => t > 1)) return writeContraction(nest, tiles, kernel, names, body)
  new NestWriter(nest, kernel, names, body.open(null)).write()
  body.close()
}

class NestWriter {
  readonly #nest: Nest
  readonly #kernel: KernelText
  readonly #names: Names
  readonly #scope: Scope

  constructor(nest: Nest, kernel: KernelText, names: Names, root: Block) {
    this.#nest = nest
    this.#kernel = kernel
    this.#names = names
    const axes = [...nest.free.map((_, i) => `i${i}`), ...nest.reduced.map((_, i) => `r${i}`)]
    const coreAxes = nest.running ? axes.length : nest.free.length
    this.#scope = new Scope({ ...kernel, names, axes, coreAxes, roots: rootsOfNest(nest), root, bound: kernel.rows })
  }

  write(): void {
    this.#free(this.#kernel.rows)
  }

  #free(axis: number): void {
    const { free } = this.#nest
    if (axis === free.length) return this.#inside()
    this.#scope.loop(0, free[axis])
    this.#free(axis + 1)
    this.#scope.close()
  }

  #inside(): void {
    const { combine, running } = this.#nest
    if (combine === null) this.#stores()
    else if (running) this.#running()
    else if (combine === 'argmax' || combine === 'argmin') this.#position(combine)
    else if (orderOf(this.#nest) === 'lanes') this.#lanes()
    else this.#fold()
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
    accumulate(this.#nest, this.#scope, this.#kernel, name)
  }

  #start(...stems: string[]): string[] {
    return startAccumulators(this.#nest, this.#scope, this.#kernel, this.#names, stems)
  }

  /** One accumulator, terms one after the other. */
  #fold(): void {
    const [result] = this.#start(this.#nest.combine!)
    this.#over(0, () => this.#accumulate(result))
    this.#result(result)
  }

  /** Stores what a fold has given, which sums in doubles have not rounded yet. */
  #result(name: string): void {
    this.#scope.core = name
    this.#scope.coreRounds = sumsInDoubles(this.#nest, this.#kernel)
    this.#stores()
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
    const doubles = sumsInDoubles(this.#nest, this.#kernel)
    const round = (text: string): string => (doubles ? `(${text})` : `fround(${text})`)
    const pairs = `${round(`${a} + ${c}`)} + ${round(`${b} + ${d}`)}`
    const total = tail ? `${round(pairs)} + ${tail}` : pairs
    const core = this.#names.fresh('core')
    scope.block.add(`const ${core} = ${doubles ? total : `fround(${total})`}`)
    this.#result(core)
  }

  #running(): void {
    const [sum] = this.#start('sum')
    this.#over(0, () => {
      this.#accumulate(sum)
      this.#result(sum)
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
      inner.add(`${at} = ${scope.affine({ offset: 0, coefficients })}`)
      scope.block.close()
    })
    scope.core = at
    this.#stores()
  }

  #stores(): void {
    writeStores(this.#nest.stores, this.#scope, this.#kernel.shared)
  }
}
