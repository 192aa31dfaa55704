/** A chain of steps that run forward once and then backward, the last first. Bytes are in whole units. */
export interface Chain {
  /** Cost of running each step forward. */
  readonly cost: readonly number[]
  /** Units of what step i hands to step i + 1: enough to run on from there. */
  readonly boundary: readonly number[]
  /** Units of all that the way back through a step needs of its way forward, with what it hands on. */
  readonly inner: readonly number[]
  /** Units that the way back through a step takes besides. */
  readonly work: readonly number[]
}

/** Steps from..to are run forward together, just before the way back through `to`; the first span is the first run of all. */
export interface Span {
  readonly from: number
  readonly to: number
}

/**
 * The least cost of a chain for every number of units up to `units`, by the dynamic programme of O. Beaumont et al., "Optimal
 * checkpointing for heterogeneous chains" (2019). With i..j left, and what i starts from at hand, either step i keeps all
 * that its way back needs, or the chain runs on to some k, keeps only what k starts from, and makes i..k-1 again later.
 * Time and space: steps^3 * units and steps^2 * units.
 */
export class ChainTable {
  readonly #steps: number
  readonly #units: number
  readonly #chain: Chain
  /** Cost of steps i..j within m units at (i * steps + j) * (units + 1) + m. */
  readonly #least: Float64Array
  /** What to do there: -1 keep all of step i, else the k of the next kept boundary. */
  readonly #choice: Int16Array

  constructor(chain: Chain, units: number) {
    this.#chain = chain
    this.#units = units
    this.#steps = chain.cost.length
    const { cost, boundary, inner, work } = chain
    const [steps, wide] = [this.#steps, units + 1]
    const least = new Float64Array(steps * steps * wide).fill(Infinity)
    const choice = new Int16Array(steps * steps * wide).fill(-1)
    const until = [0]
    for (const c of cost) until.push(until[until.length - 1] + c)
    for (let length = 1; length <= steps; length++) {
      for (let i = 0, j = length - 1; j < steps; i++, j++) {
        const at = (i * steps + j) * wide
        const whole = Math.max(inner[i] + work[i], length > 1 ? inner[i] : 0)
        for (let m = whole; m < wide; m++) {
          least[at + m] = cost[i] + (length === 1 ? 0 : least[((i + 1) * steps + j) * wide + m - inner[i]])
        }
        for (let k = i + 1; k <= j; k++) {
          const forward = until[k] - until[i]
          const kept = boundary[k - 1]
          const [behind, before] = [(k * steps + j) * wide - kept, (i * steps + k - 1) * wide]
          for (let m = kept; m < wide; m++) {
            const sum = forward + least[behind + m] + least[before + m]
            if (sum >= least[at + m]) continue
            least[at + m] = sum
            choice[at + m] = k
          }
        }
      }
    }
    this.#least = least
    this.#choice = choice
  }

  /** Least cost of all ways forward within so many units; Infinity where they do not do. */
  cost(units: number): number {
    return this.#steps ? this.#least[(this.#steps - 1) * (this.#units + 1) + units] : 0
  }

  /** The ways forward in the order in which they are run. Only where the cost is finite. */
  spans(units: number): Span[] {
    const spans: Span[] = []
    const stack = this.#steps ? [{ from: 0, to: this.#steps - 1, units, runs: true }] : []
    for (let top = stack.pop(); top; top = stack.pop()) {
      const { from, to, units: m, runs } = top
      if (runs) spans.push({ from, to })
      const k = this.#choice[(from * this.#steps + to) * (this.#units + 1) + m]
      // What stands on top of the stack is run next: the rest of this way forward, then what has to be made again.
      if (k >= 0) {
        stack.push({ from, to: k - 1, units: m, runs: true })
        stack.push({ from: k, to, units: m - this.#chain.boundary[k - 1], runs: false })
      } else if (from < to) {
        stack.push({ from: from + 1, to, units: m - this.#chain.inner[from], runs: false })
      }
    }
    return spans
  }
}
