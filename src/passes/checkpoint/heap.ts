/** Entries by descending score; equal scores leave in ascending order of entry, so that the order is always the same. */
export class Heap {
  readonly #scores: number[] = []
  readonly #entries: number[] = []

  get size(): number {
    return this.#entries.length
  }

  /** The greatest score; -Infinity when there is nothing. */
  top(): number {
    return this.#scores.length ? this.#scores[0] : -Infinity
  }

  push(score: number, entry: number): void {
    let i = this.#entries.length
    this.#scores.push(score)
    this.#entries.push(entry)
    while (i > 0) {
      const up = (i - 1) >> 1
      if (!this.#before(i, up)) break
      this.#swap(i, up)
      i = up
    }
  }

  /** Takes the entry of the greatest score out; -1 when there is nothing. */
  pop(): number {
    const last = this.#entries.length - 1
    if (last < 0) return -1
    this.#swap(0, last)
    this.#scores.pop()
    const entry = this.#entries.pop() as number
    for (let i = 0; ;) {
      const left = 2 * i + 1
      if (left >= last) break
      const child = left + 1 < last && this.#before(left + 1, left) ? left + 1 : left
      if (!this.#before(child, i)) break
      this.#swap(i, child)
      i = child
    }
    return entry
  }

  #before(a: number, b: number): boolean {
    const [x, y] = [this.#scores[a], this.#scores[b]]
    return x > y || (x === y && this.#entries[a] < this.#entries[b])
  }

  #swap(a: number, b: number): void {
    const score = this.#scores[a]
    const entry = this.#entries[a]
    this.#scores[a] = this.#scores[b]
    this.#entries[a] = this.#entries[b]
    this.#scores[b] = score
    this.#entries[b] = entry
  }
}
