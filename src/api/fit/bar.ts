/** What progress is written to: `process.stderr` is one. */
export interface Output {
  write(text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
}

/** A terminal is not redrawn more often than this, in milliseconds. */
const REDRAW_MS = 80
const CELLS = 24

/** Shows how training goes: on a terminal one line an epoch, drawn over in place; elsewhere a line at each epoch's end. */
export class Bar {
  readonly #output: Output
  readonly #epochs: number
  readonly #inPlace: boolean
  #drawn = -Infinity
  #open = false

  constructor(output: Output, epochs: number) {
    this.#output = output
    this.#epochs = epochs
    this.#inPlace = output.isTTY === true
  }

  /** After a step, the `done`-th of `steps` (undefined: nobody knows) of its epoch. */
  step(epoch: number, done: number, steps: number | undefined, values: object): void {
    if (!this.#inPlace || performance.now() - this.#drawn < REDRAW_MS) return
    this.#drawn = performance.now()
    this.#draw(`${this.#head(epoch)} ${steps ? `${bar(done / steps)} ${done}/${steps}` : `step ${done}`}  ${figures(values)}`)
  }

  /** After an epoch. */
  epoch(epoch: number, done: number, values: object, validation: object = {}): void {
    const checked = Object.keys(validation).length ? `  validation: ${figures(validation)}` : ''
    const line = `${this.#head(epoch)} ${this.#inPlace ? `${bar(1)} ` : ''}${done} steps  ${figures(values)}${checked}`
    if (this.#inPlace) this.#draw(line)
    else this.#output.write(line)
    this.#output.write('\n')
    this.#open = false
    this.#drawn = -Infinity
  }

  /** Leaves the terminal at the start of a line. */
  end(): void {
    if (this.#open) this.#output.write('\n')
    this.#open = false
  }

  #head(epoch: number): string {
    return `epoch ${epoch}/${this.#epochs}`
  }

  /** '\r' goes to the start of the line, '\x1b[K' clears the rest. What is wider than the terminal would wrap, and stay. */
  #draw(line: string): void {
    this.#output.write(`\r${line.slice(0, (this.#output.columns || 80) - 1)}\x1b[K`)
    this.#open = true
  }
}

function bar(share: number): string {
  const full = Math.floor(Math.min(share, 1) * CELLS)
  return '█'.repeat(full) + '░'.repeat(CELLS - full)
}

// Names are the user's: what would steer a terminal is left out.
const figures = (values: object): string =>
  Object.entries(values).filter(([, value]) => typeof value === 'number')
    .map(([name, value]) => `${name.replace(/[^\x20-\x7e\u00a1-\uffff]/g, '')} ${shown(value as number)}`).join('  ')

const shown = (value: number): string => {
  const size = Math.abs(value)
  return value === 0 || (size >= 1e-3 && size < 1e5) ? value.toFixed(4) : value.toPrecision(4)
}
