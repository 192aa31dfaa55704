import { floorOf, type Facts } from './facts.ts'
import { Plan, type Repeat } from './peak.ts'
import { blockRepeats } from './blocks.ts'
import { segmentRepeats } from './segments.ts'

/** A plan from segments: its repeats and their peak. */
export interface Start {
  readonly repeats: readonly Repeat[]
  readonly peakBytes: number
  readonly extra: number
}

/** Ranges of bytes, as shares of the plain peak, for which chains of blocks are planned. */
const RANGES = [1, 0.2, 0.04]
/** How many turns are tried besides the fullest position, where the graph does not say which task is the loss. */
const TURNS = 12

/** Plans from 2, 3, 4, 6, 8, ... segments and from chains of blocks, at the turn where they take least. */
export function startsOf(facts: Facts): Start[] {
  if (facts.count < 2) return []
  const root = Math.sqrt(facts.count)
  const sizes = [2, 3]
  while (sizes[sizes.length - 1] < 3 * root) sizes.push(2 * sizes[sizes.length - 2])
  const turn = bestTurn(facts, Math.max(2, Math.round(root)))
  const cut = sizes.filter((k) => k <= turn).map((k) => segmentRepeats(facts, turn, k))
  const plain = new Plan(facts, Infinity).peak().bytes
  // Rounding up to whole units costs most where there are few, so small budgets have a finer table.
  const ranges = RANGES.map((share) => share * plain).filter((range) => range > floorOf(facts).bytes)
  const chained = ranges.flatMap((range) => blockRepeats(facts, turn, range))
  // Measuring takes a while where there are thousands of tasks.
  const stride = Math.ceil(chained.length / (facts.count > 2000 ? 40 : 200))
  return [...cut, ...chained.filter((_, i) => i % stride === 0)].map((repeats) => measured(facts, repeats))
}

/** The plan of about sqrt(n) segments that takes least. */
export function sqrtStart(facts: Facts): Start | null {
  if (facts.count < 2) return null
  const root = Math.max(2, Math.round(Math.sqrt(facts.count)))
  const turn = bestTurn(facts, root)
  const sizes = new Set([0.35, 0.5, 0.7, 1, 1.4].map((x) => Math.round(x * root)).filter((k) => k > 1 && k <= turn))
  return least([...sizes].map((k) => startOf(facts, turn, k)))
}

function bestTurn(facts: Facts, segments: number): number {
  const turns = new Set([new Plan(facts, 0).peak().at])
  for (let i = 1; i < TURNS; i++) turns.add(Math.floor((i * facts.count) / TURNS))
  let best = 0
  let bytes = Infinity
  for (const turn of [...turns].sort((a, b) => a - b)) {
    const { peakBytes } = startOf(facts, turn, segments)
    if (peakBytes >= bytes) continue
    bytes = peakBytes
    best = turn
  }
  return best
}

function startOf(facts: Facts, turn: number, segments: number): Start {
  return measured(facts, segmentRepeats(facts, turn, segments))
}

function measured(facts: Facts, repeats: readonly Repeat[]): Start {
  const plan = new Plan(facts, Infinity)
  for (const { task, position } of repeats) plan.add(task, position)
  return { repeats, peakBytes: plan.peak().bytes, extra: plan.extra }
}

function least(starts: readonly Start[]): Start | null {
  return starts.reduce<Start | null>((best, s) => (best && best.peakBytes <= s.peakBytes ? best : s), null)
}
