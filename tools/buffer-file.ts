/** More buffers than this are not packed in any time that one would wait. */
const MOST_BUFFERS = 50_000
const COLUMNS = ['id', 'lower', 'upper', 'size'] as const

/** One line of a file: `size` bytes in use from `lower` up to, but not including, `upper`. */
export interface Buffer {
  readonly id: string
  readonly lower: number
  readonly upper: number
  readonly size: number
}

/** What a file says is no list of buffers. The message is for whoever wrote the file. */
export class BadBuffers extends Error {}

/**
 * Reads lines of comma-separated values under a header that names the columns `id,lower,upper,size` in any order; a column
 * `offset`, as `pack` writes it, is passed over. Every number is checked.
 * @throws BadBuffers that says which line is wrong, and how
 */
export function buffersFrom(text: string): Buffer[] {
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/)
  const columns = columnsFrom(lines[0])
  const width = lines[0].split(',').length
  const lineOf = new Map<string, number>()
  const buffers: Buffer[] = []
  let sum = 0
  for (let n = 1; n < lines.length; n++) {
    if (lines[n].trim() === '') continue
    const cells = lines[n].split(',').map((cell) => cell.trim())
    if (cells.length !== width) throw new BadBuffers(`line ${n + 1} has ${cells.length} values, the header has ${width}`)
    const cell = (name: (typeof COLUMNS)[number]): string => cells[columns[name]]
    const number = (name: (typeof COLUMNS)[number]): number => wholeFrom(cell(name), name, n + 1)
    const buffer = { id: cell('id'), lower: number('lower'), upper: number('upper'), size: number('size') }
    if (buffer.id === '') throw new BadBuffers(`line ${n + 1} has no id`)
    const before = lineOf.get(buffer.id)
    if (before !== undefined) throw new BadBuffers(`line ${n + 1}: the id ${show(buffer.id)} is that of line ${before} already`)
    if (buffer.lower >= buffer.upper) {
      throw new BadBuffers(`line ${n + 1}: lower must be less than upper, got ${buffer.lower} and ${buffer.upper}`)
    }
    if (buffer.size < 0) throw new BadBuffers(`line ${n + 1}: size must not be negative, got ${buffer.size}`)
    lineOf.set(buffer.id, n + 1)
    sum += buffer.size
    buffers.push(buffer)
    if (buffers.length > MOST_BUFFERS) throw new BadBuffers(`there are more than ${MOST_BUFFERS} buffers, which is the most`)
  }
  if (!Number.isSafeInteger(sum)) throw new BadBuffers('all sizes together are more than 2^53 - 1')
  return buffers
}

function columnsFrom(line: string): Record<(typeof COLUMNS)[number], number> {
  const names = line.split(',').map((name) => name.trim())
  const known = (name: string): boolean => name === 'offset' || (COLUMNS as readonly string[]).includes(name)
  const stranger = names.find((name, i) => !known(name) || names.indexOf(name) !== i)
  const missing = COLUMNS.find((name) => !names.includes(name))
  if (stranger === undefined && missing === undefined) {
    return { id: names.indexOf('id'), lower: names.indexOf('lower'), upper: names.indexOf('upper'), size: names.indexOf('size') }
  }
  const wrong = names.some(known)
    ? missing === undefined ? `the column ${show(stranger!)} is unknown or there twice` : `the column ${missing} is missing`
    : `it is ${show(line)}`
  throw new BadBuffers(`the first line must name the columns ${COLUMNS.join()}, in any order; ${wrong}`)
}

function wholeFrom(text: string, name: string, line: number): number {
  if (!/^-?\d+$/.test(text)) throw new BadBuffers(`line ${line}: ${name} must be a whole number, got ${show(text)}`)
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new BadBuffers(`line ${line}: ${name} is ${show(text)}, beyond 2^53 - 1`)
  return value + 0
}

const show = (text: string): string => JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)
