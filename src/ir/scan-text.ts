import { GradcError } from './errors.ts'

/** A position in the text, in UTF-16 units from its start. */
export type Mark = number

const IDENTIFIER = /[A-Za-z_][A-Za-z0-9_]*/y
const NODE_ID = /%[0-9]{1,15}(?!\w)/y
const NUMBER = /-?(?:Infinity|NaN|[0-9]{1,400}(?:\.[0-9]{1,400})?(?:[eE][+-]?[0-9]{1,4})?)(?![\w.])/y

/** Cuts IR text into words, numbers and strings, and says where something else stands. One token of lookahead. */
export class Scanner {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
    this.#skipSpace()
  }

  get atEnd(): boolean {
    return this.#at >= this.#text.length
  }

  mark(): Mark {
    return this.#at
  }

  /** Does the next token begin so? */
  peek(start: string): boolean {
    return this.#text.startsWith(start, this.#at)
  }

  tryPunctuation(c: string): boolean {
    if (!this.peek(c)) return false
    this.#advance(c.length)
    return true
  }

  punctuation(c: string): void {
    if (!this.tryPunctuation(c)) this.fail(`\`${c}\` was expected`)
  }

  tryWord(word: string): boolean {
    if (this.#match(IDENTIFIER) !== word) return false
    this.#advance(word.length)
    return true
  }

  word(word: string): void {
    if (!this.tryWord(word)) this.fail(`\`${word}\` was expected`)
  }

  identifier(what: string): string {
    return this.#take(IDENTIFIER) ?? this.fail(`${what} was expected`)
  }

  /** `%12`, or null. Leading zeros do not make another name. */
  tryNodeId(): string | null {
    const id = this.#take(NODE_ID)
    return id === null ? null : `%${Number(id.slice(1))}`
  }

  tryNumber(): number | null {
    const text = this.#take(NUMBER)
    return text === null ? null : Number(text)
  }

  number(): number {
    return this.tryNumber() ?? this.fail('a number was expected')
  }

  /** A JSON string. */
  string(): string {
    const from = this.#at
    if (!this.peek('"')) this.fail('a string was expected')
    let to = from + 1
    while (to < this.#text.length && this.#text[to] !== '"' && this.#text[to] !== '\n') to += this.#text[to] === '\\' ? 2 : 1
    if (this.#text[to] !== '"') this.fail('the string does not end', from)
    let value: string
    try {
      value = JSON.parse(this.#text.slice(from, to + 1)) as string
    } catch {
      return this.fail('the string is not valid JSON', from)
    }
    this.#advance(to + 1 - from)
    return value
  }

  /** Runs what may refuse the text for its meaning, and says where. */
  guarded<T>(at: Mark, body: () => T): T {
    try {
      return body()
    } catch (cause) {
      if (!(cause instanceof GradcError) || cause.code === 'parse/syntax') throw cause
      return this.fail(`${cause.code}: ${cause.problem}`, at, cause)
    }
  }

  fail(problem: string, at: Mark = this.#at, cause?: unknown): never {
    const before = this.#text.slice(0, at)
    const line = before.split('\n').length
    const column = at - before.lastIndexOf('\n')
    const text = this.#text.slice(at - column + 1).split('\n', 1)[0].slice(0, 120)
    const hint = `this line: ${text.trim()}`
    throw new GradcError('parse/syntax', `line ${line}, column ${column}: ${problem}`, { hint, cause })
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at
    return pattern.exec(this.#text)?.[0] ?? null
  }

  #take(pattern: RegExp): string | null {
    const text = this.#match(pattern)
    if (text !== null) this.#advance(text.length)
    return text
  }

  #advance(by: number): void {
    this.#at += by
    this.#skipSpace()
  }

  /** One blank or comment at a time: a pattern over them all would need stack for hostile text. */
  #skipSpace(): void {
    const { length } = this.#text
    while (this.#at < length) {
      const c = this.#text[this.#at]
      if (c === '/' && this.#text[this.#at + 1] === '/') {
        const end = this.#text.indexOf('\n', this.#at)
        this.#at = end < 0 ? length : end
      } else if (c === ' ' || c === '\n' || c === '\r' || c === '\t') this.#at++
      else return
    }
  }
}
