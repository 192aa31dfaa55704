/** Fresh names for the locals of one function: an op's name and a number, never a user's name. */
export class Names {
  readonly #next = new Map<string, number>()

  fresh(stem: string): string {
    const n = (this.#next.get(stem) ?? -1) + 1
    this.#next.set(stem, n)
    return `${stem}_${n}`
  }
}

/** Stems of the names of values that no operation made. */
export const STEM: { readonly [kind: string]: string } = {
  load: 'x', gather: 'g', position: 'n', random: 'bits', lit: 'c', core: 'c', rarely: 'angle',
}
