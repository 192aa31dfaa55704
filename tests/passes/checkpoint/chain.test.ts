import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fewestAdvances } from '../../../src/passes/checkpoint/binomial.ts'
import { ChainTable, type Chain, type Span } from '../../../src/passes/checkpoint/chain.ts'
import { codeOf } from '../../code-of.ts'

/** Fewest advances by trying every place for the next saved state. */
function searched(steps: number, slots: number): number {
  if (steps < 2) return 0
  if (slots === 1) return (steps * (steps - 1)) / 2
  let best = Infinity
  for (let k = 1; k < steps; k++) best = Math.min(best, k + searched(steps - k, slots - 1) + searched(k, slots))
  return best
}

describe('the binomial plan of a loop', () => {
  test.each([
    [10, 3, 15], [50, 5, 122], [100, 5, 316], [100, 10, 222], [200, 10, 522], [300, 10, 836],
    [0, 2, 0], [1, 1, 0], [2, 1, 1], [5, 9, 4],
  ])('%i steps with %i slots take %i advances', (steps, slots, advances) => {
    expect(fewestAdvances(steps, slots)).toBe(advances)
  })

  test('is the best of all', () => {
    for (let steps = 0; steps <= 10; steps++) {
      for (let slots = 1; slots <= 4; slots++) expect(fewestAdvances(steps, slots)).toBe(searched(steps, slots))
    }
  })

  test.each([[-1, 2], [1.5, 2], [NaN, 2], [10, 0], [10, Infinity], ['10' as never, 2]])(
    '%s steps with %s slots are refused',
    (steps, slots) => expect(codeOf(() => fewestAdvances(steps, slots))).toBe('option/invalid'),
  )
})

describe('the table of a chain', () => {
  const chains = fc
    .array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.nat(4), fc.nat(4), fc.nat(2)), { minLength: 1, maxLength: 6 })
    .map((steps): Chain => ({
      cost: steps.map(([c]) => c),
      boundary: steps.map(([, b]) => b),
      inner: steps.map(([, b, more]) => b + more),
      work: steps.map(([, , , w]) => w),
    }))

  test('is what plain recursion says, and its spans cost what it says', () => {
    fc.assert(
      fc.property(chains, fc.nat(25), (chain, units) => {
        const table = new ChainTable(chain, 25)
        const cost = table.cost(units)
        expect(cost).toBe(leastOf(chain, 0, chain.cost.length - 1, units))
        if (cost === Infinity) return
        const costOf = ({ from, to }: Span): number => chain.cost.slice(from, to + 1).reduce((a, b) => a + b, 0)
        const spans = table.spans(units)
        expect(spans[0]).toEqual({ from: 0, to: chain.cost.length - 1 })
        expect(spans.reduce((sum, s) => sum + costOf(s), 0)).toBe(cost)
      }),
      { numRuns: 300 },
    )
  })

  test('with room for everything nothing is run twice', () => {
    const chain = { cost: [3, 1, 4], boundary: [1, 1, 1], inner: [2, 2, 2], work: [1, 1, 1] }
    expect(new ChainTable(chain, 9).spans(9)).toEqual([{ from: 0, to: 2 }])
    expect(new ChainTable(chain, 9).cost(2)).toBe(Infinity)
  })
})

/** The recursion of Beaumont et al., without a table. */
function leastOf(chain: Chain, i: number, j: number, units: number): number {
  const { cost, boundary, inner, work } = chain
  let best = Infinity
  if (units >= inner[i] + work[i]) best = cost[i] + (i === j ? 0 : leastOf(chain, i + 1, j, units - inner[i]))
  let forward = 0
  for (let k = i + 1; k <= j; k++) {
    forward += cost[k - 1]
    if (units < boundary[k - 1]) continue
    best = Math.min(best, forward + leastOf(chain, k, j, units - boundary[k - 1]) + leastOf(chain, i, k - 1, units))
  }
  return best
}
