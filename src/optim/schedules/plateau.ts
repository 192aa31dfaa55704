import { checkOptions, showValue } from '../../ir/arguments.ts'
import { GradcError } from '../../ir/errors.ts'
import { BETWEEN, checkCount, checkNumber, NON_NEGATIVE } from '../hyper.ts'

/** Options of {@link ReduceOnPlateau}; defaults are those of PyTorch's `ReduceLROnPlateau`. */
export interface PlateauOptions {
  /** The first learning rate, ≥ 0. */
  readonly lr: number
  /** Whether the metric should fall or rise. Default 'min'. */
  readonly mode?: 'min' | 'max'
  /** What the rate is multiplied by, in (0, 1). Default 0.1. */
  readonly factor?: number
  /** How many metrics in a row may be no better before the rate falls, a whole number ≥ 0. Default 10. */
  readonly patience?: number
  /** By how much a metric must be better to count, ≥ 0. Default 1e-4. */
  readonly threshold?: number
  /** Whether the threshold is a share of the best metric or a difference. Default 'rel'. */
  readonly thresholdMode?: 'rel' | 'abs'
  /** How many metrics after a fall count as neither good nor bad, a whole number ≥ 0. Default 0. */
  readonly cooldown?: number
  /** The rate falls no lower, ≥ 0. Default 0. */
  readonly minLr?: number
  /** Falls by no more than this are left out, ≥ 0. Default 1e-8. */
  readonly eps?: number
}

/**
 * Lowers a learning rate when a metric no longer improves; on the host, for a rate that is an input:
 *
 *     const train = fn({ x: f32(64, 784), lr: f32() }, ...).minimize('loss', optim.adam({ lr: ({ inputs }) => inputs.lr }))
 *     const plateau = new optim.schedules.ReduceOnPlateau({ lr: 1e-3 })
 *     for (...) { model.train({ x, lr: plateau.lr }) ...; plateau.step(validationLoss) }
 *
 * As PyTorch's `ReduceLROnPlateau`; a metric that is NaN is no better. Errors: option/invalid.
 */
export class ReduceOnPlateau {
  readonly #options: Required<PlateauOptions>
  #lr: number
  #best: number
  #bad = 0
  #cooling = 0

  constructor(options: PlateauOptions) {
    const known = ['lr', 'mode', 'factor', 'patience', 'threshold', 'thresholdMode', 'cooldown', 'minLr', 'eps']
    checkOptions('ReduceOnPlateau', options, known)
    const { lr, mode = 'min', factor = 0.1, patience = 10, threshold = 1e-4, thresholdMode = 'rel' } = options
    const { cooldown = 0, minLr = 0, eps = 1e-8 } = options
    for (const [option, value] of Object.entries({ lr, threshold, minLr, eps })) {
      checkNumber('ReduceOnPlateau', option, value, NON_NEGATIVE)
    }
    checkNumber('ReduceOnPlateau', 'factor', factor, BETWEEN)
    checkCount('ReduceOnPlateau', 'patience', patience, 0)
    checkCount('ReduceOnPlateau', 'cooldown', cooldown, 0)
    checkChoice('mode', mode, ['min', 'max'])
    checkChoice('thresholdMode', thresholdMode, ['rel', 'abs'])
    this.#options = { lr, mode, factor, patience, threshold, thresholdMode, cooldown, minLr, eps }
    this.#lr = lr
    this.#best = mode === 'min' ? Infinity : -Infinity
  }

  /** The learning rate as it is now. */
  get lr(): number {
    return this.#lr
  }

  /** Takes the next metric and gives the learning rate to go on with. Errors: option/invalid (no number). */
  step(metric: number): number {
    if (typeof metric !== 'number') {
      throw new GradcError('option/invalid', `a metric cannot be ${showValue(metric)}`, { hint: 'plateau.step(loss)' })
    }
    const { factor, patience, cooldown, minLr, eps } = this.#options
    if (this.#isBetter(metric)) {
      this.#best = metric
      this.#bad = 0
    } else this.#bad++
    if (this.#cooling > 0) {
      this.#cooling--
      this.#bad = 0
    }
    if (this.#bad > patience) {
      const lower = Math.max(this.#lr * factor, minLr)
      if (this.#lr - lower > eps) this.#lr = lower
      this.#cooling = cooldown
      this.#bad = 0
    }
    return this.#lr
  }

  #isBetter(metric: number): boolean {
    const { mode, threshold, thresholdMode } = this.#options
    const best = this.#best
    if (mode === 'min') return metric < (thresholdMode === 'rel' ? best * (1 - threshold) : best - threshold)
    return metric > (thresholdMode === 'rel' ? best * (1 + threshold) : best + threshold)
  }
}

function checkChoice(option: string, value: unknown, choices: readonly string[]): void {
  if (choices.includes(value as string)) return
  throw new GradcError('option/invalid', `${option} of ReduceOnPlateau must be ${choices.join(' or ')}, got ${showValue(value)}`)
}
