import type { Model } from './generated/wasm/digits.js'
import { AREA, writeInput, type Labelled } from './digits.ts'

/** Digits of a training step, as the program was compiled. */
const BATCH = 32
/** At most so many digits of a step are corrections; the rest are kept ones, so that it does not forget. */
const MOST_CORRECTIONS = 12
/** Of those, so many are the newest correction. */
const NEWEST = 4
const LEARNING_RATE = 0.05
/** A correction is learnt when the right answer has this probability... */
const SURE = 0.9
/** ...but it takes at least so many steps, and at most so many. */
const FEWEST_STEPS = 8
const MOST_STEPS = 120

/** Learns from corrections: small steps in which corrections and kept digits are mixed. */
export class Learner {
  readonly model: Model
  readonly corrections: Labelled[]
  readonly #replay: readonly Labelled[]
  readonly #others: readonly Labelled[]
  readonly #random: () => number
  readonly #x = new Float32Array(BATCH * AREA)
  readonly #y = new Int32Array(BATCH)
  readonly #one = new Float32Array(AREA)
  readonly #many: Float32Array

  /**
   * @param replay digits to mix in
   * @param others digits to test with, as many as `predict` takes
   * @param random numbers in [0, 1)
   */
  constructor(
    model: Model,
    replay: readonly Labelled[],
    others: readonly Labelled[],
    corrections: Labelled[] = [],
    random: () => number = Math.random,
  ) {
    this.model = model
    this.corrections = corrections
    this.#replay = replay
    this.#others = others
    this.#random = random
    this.#many = new Float32Array(others.length * AREA)
    others.forEach(({ pixels }, i) => writeInput(this.#many, i * AREA, pixels))
  }

  /** Probabilities of the ten answers. */
  read(pixels: Uint8Array): Float32Array {
    writeInput(this.#one, 0, pixels)
    return this.model.predict({ x: this.#one }).p.slice()
  }

  /** Of the digits kept aside, the share that is read right. */
  readsOthers(): number {
    const { p } = this.model.predict({ x: this.#many })
    return this.#others.filter(({ label }, i) => bestOf(p.subarray(10 * i, 10 * i + 10)) === label).length / this.#others.length
  }

  /** How many of the corrections are read right now. */
  readsCorrections(): number {
    return this.corrections.filter(({ pixels, label }) => bestOf(this.read(pixels)) === label).length
  }

  /** Takes a correction and trains until it is learnt: gives the loss of each step. */
  *learn(correction: Labelled): Generator<number, void, void> {
    this.corrections.push(correction)
    for (let step = 1; step <= MOST_STEPS; step++) {
      this.#fill(correction)
      yield this.model.train({ x: this.#x, y: this.#y, lr: LEARNING_RATE }).loss
      if (step >= FEWEST_STEPS && this.read(correction.pixels)[correction.label] >= SURE) return
    }
  }

  /** The next step's digits: the newest correction, older ones, kept ones. Corrections move by up to a pixel, as hands do. */
  #fill(newest: Labelled): void {
    const corrections = Math.min(MOST_CORRECTIONS, NEWEST + 2 * (this.corrections.length - 1))
    for (let i = 0; i < BATCH; i++) {
      const mine = i < corrections
      const digit = i < NEWEST ? newest : this.#pick(mine ? this.corrections : this.#replay)
      const move = (): number => (mine ? Math.floor(3 * this.#random()) - 1 : 0)
      writeInput(this.#x, i * AREA, digit.pixels, move(), move())
      this.#y[i] = digit.label
    }
  }

  #pick(from: readonly Labelled[]): Labelled {
    return from[Math.floor(from.length * this.#random())]
  }
}

/** The answer with the largest probability. */
export function bestOf(p: Float32Array): number {
  let best = 0
  for (let k = 1; k < p.length; k++) if (p[k] > p[best]) best = k
  return best
}
