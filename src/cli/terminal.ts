import type { Output, Surroundings } from './surroundings.ts'

/** Puts colour around a text, or leaves it as it is. */
export type Paint = (text: string, colour: keyof typeof COLOURS) => string

const COLOURS = { red: 31, green: 32, yellow: 33, grey: 90, bold: 1 } as const

/** Colours for a terminal that shows them; NO_COLOR (no-color.org) and TERM=dumb are respected. */
export function paintOn(output: Output, env: Surroundings['env']): Paint {
  const shows = output.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb'
  return (text, colour) => (shows ? `\x1b[${COLOURS[colour]}m${text}\x1b[0m` : text)
}

/** A terminal is not redrawn more often than this, in milliseconds. */
const REDRAW_MS = 50
const CELLS = 30

/** Progress of long work on a terminal: one line, drawn over. Elsewhere it shows nothing. */
export class Progress {
  readonly #output: Output
  readonly #paint: Paint
  readonly #live: boolean
  #drawn = -Infinity

  constructor({ stderr, env }: Pick<Surroundings, 'stderr' | 'env'>) {
    this.#output = stderr
    this.#paint = paintOn(stderr, env)
    // A line that wraps cannot be drawn over. Some terminals say 0 for a width that they do not know.
    this.#live = stderr.isTTY === true && env.TERM !== 'dumb' && (stderr.columns || 80) >= CELLS + 45
  }

  /** `share` from 0 to 1. */
  show(share: number, text: string): void {
    if (!this.#live || performance.now() - this.#drawn < REDRAW_MS) return
    this.#drawn = performance.now()
    const full = Math.floor(Math.min(Math.max(share, 0), 1) * CELLS)
    const bar = this.#paint('█'.repeat(full), 'green') + this.#paint('░'.repeat(CELLS - full), 'grey')
    this.#output.write(`\r${bar} ${text.slice(0, 40)}\x1b[K`)
  }

  /** Takes the line away. */
  clear(): void {
    if (this.#live && this.#drawn > -Infinity) this.#output.write('\r\x1b[K')
    this.#drawn = -Infinity
  }
}

/** Rows in columns that line up; `right`: columns of numbers. No space at the ends of lines. */
export function columns(rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const widths: number[] = []
  for (const row of rows) row.forEach((cell, c) => (widths[c] = Math.max(widths[c] ?? 0, cell.length)))
  const line = (row: readonly string[]): string =>
    row.map((cell, c) => (right.includes(c) ? cell.padStart(widths[c]) : cell.padEnd(widths[c]))).join('  ').trimEnd()
  return rows.map((row) => `  ${line(row)}\n`).join('')
}

/** 1234567 as `1,234,567`. */
export const grouped = (n: number): string => String(n).replace(/\B(?=(\d{3})+$)/g, ',')
