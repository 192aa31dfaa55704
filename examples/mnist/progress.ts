/** What is written to: `process.stdout`, `process.stderr`, or a test. */
export interface Output {
  write(text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
}

/** Where a run of `epochs` epochs with `steps` steps each has come to. */
export interface Step {
  readonly epoch: number
  readonly epochs: number
  /** From 1 to `steps`. */
  readonly step: number
  readonly steps: number
  readonly loss: number
  /** Share of the batch that was right, 0 to 1. */
  readonly accuracy: number
  /** Milliseconds of this step. */
  readonly ms: number
}

/** A terminal is not redrawn more often than this, in milliseconds: people see no more, and drawing costs time. */
const REDRAW_MS = 50
/** Weight of the newest step in the figures shown. */
const NEWEST = 0.02
/** Cells of the bar, where the terminal is wide enough. */
const CELLS = 30
/** Characters of a line beside the bar, and the fewest cells that say something. */
const TEXT_WIDTH = 62
const FEWEST_CELLS = 5

/**
 * Shows how training goes: on a terminal one bar an epoch, redrawn in place; elsewhere a line every tenth of an epoch.
 * Loss, accuracy and time are means that forget old steps.
 * @param env `NO_COLOR` (no-color.org) and `TERM=dumb` are respected
 */
export function showProgress(output: Output, env: Readonly<Record<string, string | undefined>> = {}): (step: Step) => void {
  // Some terminals say 0 for a width that they do not know.
  const room = (output.columns || 80) - TEXT_WIDTH
  // A bar that is wider than its terminal wraps, and then cannot be drawn over.
  const inPlace = output.isTTY === true && env.TERM !== 'dumb' && room >= FEWEST_CELLS
  const color = inPlace && !env.NO_COLOR
  let shown: { loss: number; accuracy: number; ms: number } | undefined
  let drawn = -Infinity

  return ({ epoch, epochs, step, steps, ...now }) => {
    const mean = (of: 'loss' | 'accuracy' | 'ms'): number => (shown ? shown[of] + NEWEST * (now[of] - shown[of]) : now[of])
    shown = { loss: mean('loss'), accuracy: mean('accuracy'), ms: mean('ms') }
    const { loss, accuracy, ms } = shown
    const figures = `loss ${loss.toFixed(4)}  accuracy ${(100 * accuracy).toFixed(2)} %  ${ms.toFixed(3)} ms/step`
    const last = step === steps
    if (inPlace) {
      if (!last && performance.now() - drawn < REDRAW_MS) return
      drawn = performance.now()
      // '\r' goes to the start of the line and '\x1b[K' clears the rest of it: what was there is drawn over.
      const drawing = bar(step / steps, Math.min(CELLS, room), color)
      output.write(`\repoch ${epoch}/${epochs} ${drawing} ${figures}\x1b[K${last ? '\n' : ''}`)
    } else if (Math.floor((10 * step) / steps) > Math.floor((10 * (step - 1)) / steps)) {
      output.write(`epoch ${epoch}/${epochs}  step ${step}/${steps}  ${figures}\n`)
    }
  }
}

function bar(share: number, cells: number, color: boolean): string {
  const full = Math.floor(share * cells)
  const [done, left] = ['█'.repeat(full), '░'.repeat(cells - full)]
  return color ? `\x1b[32m${done}\x1b[90m${left}\x1b[0m` : done + left
}
