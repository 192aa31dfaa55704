/** Values before each change, newest last, so that a search can go back without copying its state. */
export class Trail {
  length = 0
  #what = new Int32Array(1024)
  #before = new Float64Array(1024)

  /** Notes what `what` was before it changes. */
  add(what: number, before: number): void {
    if (this.length === this.#what.length) {
      this.#what = grown(this.#what, new Int32Array(2 * this.length))
      this.#before = grown(this.#before, new Float64Array(2 * this.length))
    }
    this.#what[this.length] = what
    this.#before[this.length++] = before
  }

  /** Takes back all changes but the first `length`, the newest first. */
  undo(length: number, restore: (what: number, before: number) => void): void {
    while (this.length > length) {
      this.length--
      restore(this.#what[this.length], this.#before[this.length])
    }
  }
}

function grown<T extends Int32Array | Float64Array>(from: T, to: T): T {
  to.set(from)
  return to
}
