/** The last so many steps are shown. */
const STEPS = 300
/** Losses of the horizontal lines, from the top; the scale is logarithmic. */
const LINES = [10, 1, 0.1, 0.01]
const [LEFT, RIGHT, TOP, BOTTOM] = [46, 472, 12, 174]
const SVG = 'http://www.w3.org/2000/svg'

const yOf = (loss: number): number => {
  const share = (Math.log10(LINES[0]) - Math.log10(Math.min(Math.max(loss, 0.01), 10))) / (LINES.length - 1)
  return TOP + share * (BOTTOM - TOP)
}

function element(name: string, attributes: Readonly<Record<string, string | number>>, text = ''): SVGElement {
  const made = document.createElementNS(SVG, name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value))
  made.textContent = text
  return made
}

/** Draws the loss of each step, with a line where a correction came in, and says in words what it shows. */
export function drawLosses(chart: SVGElement, losses: readonly number[], marks: readonly number[]): void {
  const parts = LINES.flatMap((loss) => [
    element('line', { class: 'grid', x1: LEFT, x2: RIGHT, y1: yOf(loss), y2: yOf(loss) }),
    element('text', { x: LEFT - 8, y: yOf(loss) + 4, 'text-anchor': 'end' }, String(loss)),
  ])
  const from = Math.max(0, losses.length - STEPS)
  const span = Math.max(losses.length - from - 1, 60)
  const xOf = (step: number): number => LEFT + ((step - from) / span) * (RIGHT - LEFT)
  for (const step of marks.filter((m) => m >= from))
    parts.push(element('line', { class: 'mark', x1: xOf(step), x2: xOf(step), y1: TOP, y2: BOTTOM }))
  if (losses.length) {
    const points = losses.slice(from).map((loss, i) => `${xOf(from + i).toFixed(1)},${yOf(loss).toFixed(1)}`)
    parts.push(element('polyline', { class: 'loss', points: points.join(' ') }))
  }
  const told = losses.length
    ? `loss of each step; dashed: a correction`
    : 'Correct an answer, and the loss of each step appears here.'
  parts.push(element('text', { x: (LEFT + RIGHT) / 2, y: 194, 'text-anchor': 'middle' }, told))
  chart.replaceChildren(...parts)
  const last = losses.at(-1)
  const words =
    last === undefined
      ? 'no steps yet'
      : `${losses.length} steps, ${marks.length} corrections, from ${losses[0].toFixed(2)} to ${last.toFixed(2)}`
  chart.setAttribute('aria-label', `Loss of each step: ${words}`)
}
