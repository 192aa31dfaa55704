import type { LoweredKernel, LoweredLoop, Move, Nest, Store } from '../codegen/nest.ts'
import type { Affine } from '../ir/affine.ts'
import { inOrder, type Expr } from '../ir/expression.ts'

/** The loop nests of a function as text: bytes of memory stand behind @, `a, b, ...` are the loops from the outermost. */
export function loopsText(name: string, kernels: readonly LoweredKernel[]): string {
  return `function ${JSON.stringify(name)}\n${kernels.flatMap((k) => kernelLines(k)).map((line) => `  ${line}`).join('\n')}\n`
}

function kernelLines(kernel: LoweredKernel): string[] {
  const head = `kernel ${kernel.name}  // ${kernel.title}`
  const { rows = [] } = kernel
  const nests = (): string[] => kernel.nests.flatMap((nest) => {
    const lines = nestLines(nest, kernel, rows.length)
    return nest.after === undefined ? lines : [`after all ${axisName(nest.after)}`, ...lines.map((line) => `  ${line}`)]
  })
  const inner = kernel.loop ? loopLines(kernel.loop) : rows.length ? [`for each ${loopsOver(rows, 0)}`, ...nests().map((line) => `  ${line}`)] : nests()
  return [head, ...inner.map((line) => `  ${line}`)]
}

function loopLines({ length, reverse, before, enter, body, leave, after }: LoweredLoop): string[] {
  const moves = (list: readonly Move[]): string[] => list.filter((m) => m.bytes).map((m) => {
    const at = (base: number, step: number): string => (step ? `@${base} + ${step}·t` : `@${base}`)
    return `move ${m.bytes} bytes from ${at(m.from, m.fromStep)} to ${at(m.to, m.toStep)}`
  })
  const steps = reverse ? `for t from ${length - 1} down to 0` : `for t < ${length}`
  const inner = [...moves(enter), ...body.flatMap((k) => kernelLines(k)), ...moves(leave)]
  return [...moves(before), steps, ...inner.map((line) => `  ${line}`), ...moves(after)]
}

const axisName = (i: number): string => (i < 26 ? String.fromCharCode(97 + i) : `a${i}`)

const loopsOver = (extents: readonly number[], from: number): string => extents.map((n, i) => `${axisName(from + i)} < ${n}`).join(', ')

/** `rows`: loops that are open around all nests, over the first axes. */
function nestLines(nest: Nest, kernel: LoweredKernel, rows: number): string[] {
  const lines: string[] = []
  let indent = ''
  if (nest.free.length > rows) {
    lines.push(`for ${loopsOver(nest.free.slice(rows), rows)}`)
    indent = '  '
  }
  const stores = (at: string): void => {
    const texts = new Texts(kernel, nest.stores.flatMap((s) => (s.indirect ? [s.value, s.indirect.at] : [s.value])))
    lines.push(...texts.shared.map((line) => at + line), ...nest.stores.map((s) => at + storeLine(s, texts)))
  }
  if (nest.value) {
    const texts = new Texts(kernel, [nest.value])
    const goesOn = nest.carried ? `, on from the last step of ${nest.carried.map(axisName).join(', ')},` : ''
    lines.push(`${indent}core = ${nest.combine}${goesOn} for ${loopsOver(nest.reduced, nest.free.length)}`)
    lines.push(...texts.shared.map((line) => `${indent}  ${line}`), `${indent}  ${texts.of(nest.value)}`)
    if (nest.running) indent += '  '
  }
  stores(indent)
  return lines
}

function storeLine({ address, dtype, index, indirect, value, accumulate }: Store, texts: Texts): string {
  const moved = indirect ? ` + ${indirect.stride}·clamp(${texts.of(indirect.at)}, ${indirect.limit})` : ''
  return `${dtype}@${address}[${indexText(index)}${moved}] ${accumulate ? '+=' : '='} ${texts.of(value)}`
}

function indexText({ offset, coefficients }: Affine): string {
  const terms = coefficients.flatMap((c, i) => (c === 0 ? [] : [c === 1 ? axisName(i) : `${c}·${axisName(i)}`]))
  return offset || !terms.length ? [...terms, String(offset)].join(' + ') : terms.join(' + ')
}

/** Texts of expressions; what is used more than once is named, so that the text stays as short as the graph is. */
class Texts {
  readonly shared: string[] = []
  readonly #texts = new Map<Expr, string>()

  constructor(kernel: LoweredKernel, roots: readonly Expr[]) {
    const order = inOrder(roots)
    const uses = new Map<Expr, number>()
    for (const e of order) for (const a of e.args) uses.set(a, (uses.get(a) ?? 0) + 1)
    for (const e of order) {
      const text = this.#write(e, kernel)
      if (e.args.length && (uses.get(e) ?? 0) > 1) {
        const name = `t${this.shared.length}`
        this.shared.push(`${name} = ${text}`)
        this.#texts.set(e, name)
      } else this.#texts.set(e, text)
    }
  }

  of(e: Expr): string {
    return this.#texts.get(e)!
  }

  #write(e: Expr, kernel: LoweredKernel): string {
    const args = e.args.map((a) => this.of(a))
    switch (e.kind) {
      case 'lit':
        return Object.is(e.value, -0) ? '-0' : String(e.value)
      case 'load':
        return `${e.dtype}@${kernel.address(e.node)}[${indexText(e.index)}]`
      case 'gather':
        return `${e.dtype}@${kernel.address(e.node)}[${indexText(e.index)} + ${e.stride}·clamp(${args[0]}, ${e.limit})]`
      case 'position':
        return `${e.dtype}(${indexText(e.index)})`
      case 'random':
        return `random(${args.join(', ')}, ${indexText(e.index)})`
      case 'core':
        return 'core'
      case 'rarely':
        return `rarely(${args[0]}, ${args[1]}, ${e.routine.name}(${args[2]}))`
      default:
        return `${e.op === 'cast' || e.op === 'bitcast' ? `${e.op}.${e.dtype}` : e.op}(${args.join(', ')})`
    }
  }
}
