/** A network of pipes: the cheapest set of them whose removal parts two places (Dinic, 1970). Capacities are whole, or Infinity. */
export class FlowNetwork {
  readonly #first: number[] = []
  readonly #next: number[] = []
  readonly #to: number[] = []
  readonly #left: number[] = []

  /** A new place; places count from 0. */
  place(): number {
    return this.#first.push(-1) - 1
  }

  pipe(from: number, to: number, capacity: number): void {
    this.#edge(from, to, capacity)
    this.#edge(to, from, 0)
  }

  #edge(from: number, to: number, capacity: number): void {
    this.#to.push(to)
    this.#left.push(capacity)
    this.#next.push(this.#first[from])
    this.#first[from] = this.#to.length - 1
  }

  /**
   * The places on the source's side of the cheapest cut; among equals the cut nearest to the source. There must be a cut of
   * finite capacity. Uses the network up.
   */
  cut(source: number, sink: number): boolean[] {
    for (;;) {
      const level = this.#levels(source)
      if (level[sink] < 0) return level.map((l) => l >= 0)
      this.#block(source, sink, level)
    }
  }

  /** Distance of each place from the source along pipes with room; −1 where none leads. */
  #levels(source: number): number[] {
    const level = new Array<number>(this.#first.length).fill(-1)
    level[source] = 0
    const queue = [source]
    for (let q = 0; q < queue.length; q++) {
      for (let e = this.#first[queue[q]]; e >= 0; e = this.#next[e]) {
        if (this.#left[e] === 0 || level[this.#to[e]] >= 0) continue
        level[this.#to[e]] = level[queue[q]] + 1
        queue.push(this.#to[e])
      }
    }
    return level
  }

  /** Sends along shortest ways until there is none left. */
  #block(source: number, sink: number, level: readonly number[]): void {
    const at = [...this.#first]
    const way: number[] = []
    for (let here = source; ;) {
      if (here === sink) {
        const room = way.reduce((least, e) => Math.min(least, this.#left[e]), Infinity)
        for (const e of way) {
          this.#left[e] -= room
          this.#left[e ^ 1] += room
        }
        // On from where the first pipe is full now.
        way.length = way.findIndex((e) => this.#left[e] === 0)
        here = way.length ? this.#to[way[way.length - 1]] : source
        continue
      }
      while (at[here] >= 0 && (this.#left[at[here]] === 0 || level[this.#to[at[here]]] !== level[here] + 1)) at[here] = this.#next[at[here]]
      if (at[here] >= 0) {
        way.push(at[here])
        here = this.#to[at[here]]
      } else if (way.length) {
        const back = way.pop()!
        here = this.#to[back ^ 1]
        at[here] = this.#next[at[here]]
      } else return
    }
  }
}
