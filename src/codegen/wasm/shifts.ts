import type { LoweredKernel } from '../nest.ts'
import type { Twin } from '../twins.ts'
import type { Local } from './encoder/assembler.ts'

/** What a function adds to addresses in a buffer of the kernel that it was emitted for: `given` · 2^`doubled` bytes. */
export interface Shift {
  readonly parameter: number
  readonly given: Local
  readonly doubled: number
  /** The buffer lies so far behind the place from which the parameter counts. */
  readonly back: number
}

/**
 * How the addresses of kernels differ that share their code. Buffers that lie equally far apart in all of them need one parameter
 * together: their distance from where they lie lowest. So it is never negative, and what lies at one place needs none. It is given in the
 * largest unit that fits: V8 takes no parameter for a 32-bit number, and would widen pointers in each iteration, but it does what was shifted.
 */
export class Shifts {
  readonly #of = new Map<number, { readonly parameter: number; readonly back: number }>()
  readonly #values = new Map<LoweredKernel, number[]>()
  readonly #doubled: number[]
  readonly count: number

  /** `twins`: all of them, the first being the one that is emitted. */
  constructor(twins: readonly Twin[]) {
    const parameters = new Map<string, number>()
    const values: number[][] = twins.map(() => [])
    twins[0]?.addresses.forEach((address, i) => {
      const low = Math.min(...twins.map((t) => t.addresses[i]))
      const distances = twins.map((t) => t.addresses[i] - low)
      if (!distances.some((d) => d)) return
      const key = distances.join()
      let parameter = parameters.get(key)
      if (parameter === undefined) {
        parameters.set(key, (parameter = parameters.size))
        values.forEach((v, k) => v.push(distances[k]))
      }
      this.#of.set(address, { parameter, back: address - low })
    })
    this.count = parameters.size
    this.#doubled = [...parameters.values()].map((p) => doublings(values.map((v) => v[p])))
    twins.forEach(({ kernel }, k) => this.#values.set(kernel, values[k].map((v, p) => v / 2 ** this.#doubled[p])))
  }

  get kernels(): LoweredKernel[] {
    return [...this.#values.keys()]
  }

  /** What the functions of a kernel are given. */
  valuesOf(kernel: LoweredKernel): readonly number[] {
    return this.#values.get(kernel) ?? []
  }

  /** By the address of a buffer, in a function with these parameters. */
  within(parameters: readonly Local[]): ReadonlyMap<number, Shift> {
    return new Map([...this.#of].map(([address, { parameter, back }]) =>
      [address, { parameter, given: parameters[parameter], doubled: this.#doubled[parameter], back }]))
  }
}

/** How often all of these numbers, one of which is not 0, are even. */
function doublings(numbers: readonly number[]): number {
  let n = 0
  while (numbers.every((x) => x % 2 ** (n + 1) === 0)) n++
  return n
}
