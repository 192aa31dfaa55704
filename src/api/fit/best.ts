import { GradcError } from '../../ir/errors.ts'
import type { Restoring, Saving } from '../files.ts'

/** What early stopping goes by. */
export interface BestOptions {
  /** So many epochs in a row that are no better are enough; undefined: training goes on. */
  readonly patience: number | undefined
  readonly monitor: string
  readonly mode: 'min' | 'max'
  readonly minDelta: number
  /** Whether the model of the best epoch is kept. */
  readonly keep: boolean
}

/** The best epoch so far (early stopping: Prechelt, in "Neural Networks: Tricks of the Trade", 1998). */
export class Best {
  readonly #options: BestOptions
  #found: { epoch: number; value: number } | null = null
  #file: Uint8Array | undefined
  #epoch = 0
  #bad = 0

  constructor(options: BestOptions) {
    this.#options = options
  }

  get found(): { readonly epoch: number; readonly value: number } | null {
    return this.#found
  }

  /** Has it been no better for as many epochs as patience allows? */
  get isSpent(): boolean {
    const { patience } = this.#options
    return patience !== undefined && this.#bad >= patience
  }

  /** Takes the numbers of an epoch. NaN is no better than anything. Errors: option/invalid, if the monitored one is not there. */
  take(epoch: number, values: Readonly<Record<string, number>>, model: Saving): void {
    const { monitor, mode, minDelta, keep } = this.#options
    if (!Object.hasOwn(values, monitor)) {
      throw new GradcError('option/invalid', `monitor ${JSON.stringify(monitor)} is not among the numbers of an epoch`, {
        hint: `they are ${Object.keys(values).map((name) => JSON.stringify(name)).join(', ') || 'none'}`,
      })
    }
    const value = values[monitor]
    const gain = this.#found ? (this.#found.value - value) * (mode === 'min' ? 1 : -1) : Infinity
    this.#epoch = epoch
    // The first number counts, however bad; an infinity is one.
    if (this.#found ? gain > minDelta : !Number.isNaN(value)) {
      this.#found = { epoch, value }
      this.#bad = 0
      if (keep) this.#file = model.save()
    } else this.#bad++
  }

  /** Brings the best epoch's model back, if it is kept and a later one is there. Was there something to bring back? */
  restore(model: Restoring<unknown>): boolean {
    if (!this.#file || this.#found?.epoch === this.#epoch) return false
    model.restore(this.#file)
    return true
  }
}
