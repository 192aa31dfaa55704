/** A piece of text under construction: lines and inner blocks, with the locals that it declares. */
export class Block {
  /** `for (...)`; null for a block that only scopes what is known inside and prints no braces. */
  readonly header: string | null
  readonly #items: (string | Block)[] = []
  readonly #locals = new Map<string, string>()
  #open: Block | null = null

  constructor(header: string | null) {
    this.header = header
  }

  /** Appends an inner block, which stays open: lines added to this one meanwhile go before it. */
  open(header: string | null): Block {
    const inner = new Block(header)
    this.#items.push(inner)
    this.#open = inner
    return inner
  }

  close(): void {
    this.#open = null
  }

  add(line: string): void {
    if (this.#open) this.#items.splice(this.#items.lastIndexOf(this.#open), 0, line)
    else this.#items.push(line)
  }

  /** The local that stands for `key` here, if one was declared. */
  local(key: string): string | undefined {
    return this.#locals.get(key)
  }

  declare(key: string, name: string, text: string): string {
    this.add(`const ${name} = ${text}`)
    this.#locals.set(key, name)
    return name
  }

  /** A value that has a name here already: a parameter. */
  bind(key: string, name: string): void {
    this.#locals.set(key, name)
  }

  print(indent: string): string[] {
    const inside = this.header === null ? indent : `${indent}  `
    const body = this.#items.flatMap((i) => (typeof i === 'string' ? [inside + i] : i.print(inside)))
    return this.header === null ? body : [`${indent}${this.header} {`, ...body, `${indent}}`]
  }
}
