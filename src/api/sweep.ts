import { compile } from './compile.ts'
import type { Compiled } from './compiled.ts'
import { bytesText, escaped } from './memory-svg.ts'

/** What one budget costs. */
export interface SweepPoint {
  /** The budget in bytes. */
  readonly budget: number
  /** What the arena takes under it, scratch included. */
  readonly arenaBytes: number
  /** Work done again, in percent of the work without a budget: of the function that does most. */
  readonly recomputePercent: number
}

/**
 * The trade-off between memory and work: the program compiled again under budgets from what it takes without one down to the least
 * that is found, `points` of them evenly spaced. Errors: those of compile.
 */
export function sweep({ compiled: { functions, options } }: { readonly compiled: Compiled }, points = 9): SweepPoint[] {
  const at = (memoryBudget: number | string): SweepPoint => {
    const { memory } = compile(functions, { ...options, memoryBudget })
    const recomputePercent = Math.max(0, ...Object.values(memory.functions).map((f) => f.recomputePercent))
    const budget = typeof memoryBudget === 'number' ? memoryBudget : memory.arenaBytes
    return { budget, arenaBytes: memory.arenaBytes, recomputePercent }
  }
  const [most, least] = [at('none'), at('min')]
  if (least.arenaBytes >= most.arenaBytes) return [most]
  const steps = Math.max(2, points) - 1
  const between = Array.from({ length: steps - 1 }, (_, i) => {
    const part = (i + 1) / steps
    return at(Math.ceil(most.arenaBytes - part * (most.arenaBytes - least.arenaBytes)))
  })
  return [most, ...between, least]
}

const WIDTH = 720
const HEIGHT = 400
const [LEFT, TOP, RIGHT, BOTTOM] = [72, 48, 32, 56]

/** The curve as an SVG picture: bytes to the right, extra work upwards. */
export function sweepSvg(title: string, points: readonly SweepPoint[]): string {
  const sorted = [...points].sort((a, b) => a.arenaBytes - b.arenaBytes)
  const most = Math.max(1, ...sorted.map((p) => p.arenaBytes))
  const top = Math.max(5, ...sorted.map((p) => p.recomputePercent))
  const round = (v: number): number => Math.round(v * 100) / 100
  const x = (bytes: number): number => round(LEFT + (bytes / most) * (WIDTH - LEFT - RIGHT))
  const y = (percent: number): number => round(HEIGHT - BOTTOM - (percent / top) * (HEIGHT - TOP - BOTTOM))
  const grid = [0, 0.25, 0.5, 0.75, 1].flatMap((part) => [
    `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(part * top)}" y2="${y(part * top)}"/>`,
    `<text class="end" x="${LEFT - 8}" y="${round(y(part * top) + 4)}">${round(part * top)} %</text>`,
    `<text class="mid" x="${x(part * most)}" y="${HEIGHT - BOTTOM + 18}">${bytesText(part * most)}</text>`,
  ])
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${escaped(`memory against work: ${title}`)}">`,
    '<style>text{font:12px system-ui,sans-serif;fill:#222}.h{font-size:15px;font-weight:600}.end{text-anchor:end}.mid{text-anchor:middle}'
    + '.grid{stroke:#ddd}polyline{fill:none;stroke:#4e79a7;stroke-width:2}circle{fill:#4e79a7}</style>',
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text class="h" x="${LEFT}" y="26">${escaped(title)}: work done again to fit into less memory</text>`,
    ...grid,
    `<polyline points="${sorted.map((p) => `${x(p.arenaBytes)},${y(p.recomputePercent)}`).join(' ')}"/>`,
    ...sorted.map((p) => `<circle cx="${x(p.arenaBytes)}" cy="${y(p.recomputePercent)}" r="4"><title>${p.arenaBytes} bytes, ${p.recomputePercent.toFixed(1)} %</title></circle>`),
    `<text class="mid" x="${round((LEFT + WIDTH - RIGHT) / 2)}" y="${HEIGHT - 14}">arena</text>`,
    '</svg>',
    '',
  ].join('\n')
}
