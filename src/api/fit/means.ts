/** Means of the numbers among the results of an epoch's steps; booleans count as 0 and 1. */
export class Means {
  readonly #sums = new Map<string, number>()
  #count = 0

  add(results: object): void {
    this.#count++
    for (const [name, value] of scalarsOf(results)) this.#sums.set(name, (this.#sums.get(name) ?? 0) + value)
  }

  get count(): number {
    return this.#count
  }

  values(): Record<string, number> {
    return Object.fromEntries([...this.#sums].map(([name, sum]) => [name, sum / this.#count]))
  }
}

/** The scalars among results, by name. */
export const scalarsOf = (results: object): [name: string, value: number][] =>
  Object.entries(results).filter(([, value]) => typeof value === 'number' || typeof value === 'boolean')
    .map(([name, value]) => [name, Number(value)])
