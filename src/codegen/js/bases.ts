import { inOrder } from '../../ir/expression.ts'
import { DTYPES, type DType } from '../../ir/types.ts'
import { rootsOfNest, type LoweredKernel } from '../nest.ts'

/** Where the buffers of a kernel begin, as parameters of its functions, in the order in which its nests name them. */
export class Bases {
  readonly #names = new Map<string, string>()
  /** In elements, one a parameter. */
  readonly values: number[] = []

  /** Without a kernel there are none: addresses are written as the numbers that they are. */
  constructor(kernel?: LoweredKernel) {
    for (const nest of kernel?.nests ?? []) {
      for (const e of inOrder(rootsOfNest(nest))) if ('node' in e) this.#add(kernel!.address(e.node), e.dtype)
      for (const s of nest.stores) this.#add(s.address, s.dtype)
    }
  }

  #add(address: number, dtype: DType): void {
    const key = `${dtype}${address}`
    if (this.#names.has(key)) return
    this.#names.set(key, `a${this.values.length}`)
    this.values.push(address / DTYPES[dtype].bytes)
  }

  get names(): string[] {
    return [...this.#names.values()]
  }

  /** The parameter that stands for an address; null if there is none. */
  nameOf(address: number, dtype: DType): string | null {
    return this.#names.get(`${dtype}${address}`) ?? null
  }
}
