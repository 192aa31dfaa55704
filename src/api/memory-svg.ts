import type { FunctionMemory } from './memory.ts'

const WIDTH = 960
const HEIGHT = 480
const LEFT = 96
const TOP = 48
const RIGHT = 24
const BOTTOM = 56
/** Colours that differ in hue and lightness, so that neighbours can be told apart, also without colour vision. */
const COLOURS = ['#4e79a7', '#f28e2b', '#59a14f', '#b07aa1', '#edc948', '#76b7b2', '#e15759', '#9c755f']

/**
 * The arena over time as an SVG picture: kernels from left to right, bytes upwards, each buffer a box at its offset for as long
 * as it lives, the live bytes as a line and the arena's size as a dashed one. Names appear as tooltips and in large boxes.
 */
export function memorySvg(title: string, memory: FunctionMemory): string {
  const columns = Math.max(1, memory.kernels.length)
  const top = Math.max(1, memory.arenaBytes)
  const x = (position: number): number => round(LEFT + (position / columns) * (WIDTH - LEFT - RIGHT))
  const y = (bytes: number): number => round(HEIGHT - BOTTOM - (bytes / top) * (HEIGHT - TOP - BOTTOM))
  const boxes = memory.buffers.filter((b) => b.bytes > 0).flatMap((b, i) => {
    const [left, width] = [x(b.from), round(x(b.to + 1) - x(b.from))]
    const [upper, height] = [y(b.offset + b.bytes), round(y(b.offset) - y(b.offset + b.bytes))]
    const tip = `${b.name} ${b.type}, ${bytesText(b.bytes)} at ${b.offset}, kernels ${b.from} to ${b.to}`
    const box = `<rect x="${left}" y="${upper}" width="${width}" height="${height}" fill="${COLOURS[i % COLOURS.length]}"><title>${escaped(tip)}</title></rect>`
    const fits = height >= 14 && width >= 7 * b.name.length + 8
    return fits ? [box, `<text class="in" x="${round(left + 4)}" y="${round(upper + height / 2 + 4)}">${escaped(b.name)}</text>`] : [box]
  })
  const line = memory.live.flatMap((bytes, i) => [`${x(i)},${y(bytes)}`, `${x(i + 1)},${y(bytes)}`]).join(' ')
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const at = y(part * top)
    return `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}"/><text class="end" x="${LEFT - 8}" y="${round(at + 4)}">${bytesText(part * top)}</text>`
  })
  const every = Math.max(1, Math.ceil(columns / 16))
  const positions = memory.kernels.flatMap((name, i) =>
    i % every ? [] : [`<text class="mid" x="${round((x(i) + x(i + 1)) / 2)}" y="${HEIGHT - BOTTOM + 18}">${i}<title>${escaped(name)}</title></text>`])
  const again = memory.recomputePercent ? `, ${memory.recomputePercent.toFixed(1)} % of the work done again` : ''
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${escaped(`memory of ${title}`)}">`,
    '<style>text{font:12px system-ui,sans-serif;fill:#222}.h{font-size:15px;font-weight:600}.in{fill:#fff}.end{text-anchor:end}.mid{text-anchor:middle}'
    + '.grid{stroke:#ddd}rect{stroke:#fff;stroke-width:.5}.live{fill:none;stroke:#111;stroke-width:1.5}.arena{stroke:#111;stroke-dasharray:5 4}</style>',
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text class="h" x="${LEFT}" y="22">${escaped(title)}: arena ${bytesText(memory.arenaBytes)}</text>`,
    `<text x="${LEFT}" y="39">most live at once ${bytesText(memory.peakBytes)}, at kernel ${memory.peakAt}${again}</text>`,
    ...ticks,
    ...boxes,
    `<polyline class="live" points="${line}"/>`,
    `<line class="arena" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(top)}" y2="${y(top)}"/>`,
    ...positions,
    `<text class="mid" x="${round((LEFT + WIDTH - RIGHT) / 2)}" y="${HEIGHT - 16}">kernels, in the order in which they run</text>`,
    '</svg>',
    '',
  ].join('\n')
}

const round = (v: number): number => Math.round(v * 100) / 100

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB']

/** `1.5 MiB` */
export function bytesText(bytes: number): string {
  let unit = 0
  let value = bytes
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 ? Math.round(value) : value.toFixed(value < 10 ? 2 : 1)} ${UNITS[unit]}`
}

/** Names are the user's: nothing in them may become markup, and control characters are no XML at all. */
export const escaped = (text: string): string =>
  text.replace(/[<>&"']/g, (c) => `&#${c.charCodeAt(0)};`).replace(/[\p{Cc}\p{Cs}\ufffe\uffff]/gu, '\ufffd')
