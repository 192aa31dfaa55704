import { DTYPES, isFloat, sameShape, sizeOf, type TypedArray } from '../../../ir/types.ts'
import { roundTo } from '../../../ir/builder.ts'
import type { Node } from '../../../ir/graph.ts'
import { listOf, make, permuted, reshaped, splat, spread, unitAxes } from '../build.ts'
import { anyOf, as, isLiteral, lit, p, valueOf, variable, x, type Pattern } from '../pattern.ts'
import { rule, type Match, type Rule } from '../rule.ts'

/** Enough for slices and pads too: what keeps every extent starts at 0 and leaves nothing out. */
const unchanged = ({ x, root }: Match<'x'>): boolean => sameShape(x.shape, root.shape)

/** One form for what can be written in many: splats stay splats, views of views are one view, views that do nothing go. */
export const canonical: readonly Rule[] = [
  // A splat is a splat in every shape.
  rule('broadcast-literal', p.broadcast(lit('c')), ({ c, root }) => splat(root, valueOf(c))),
  rule('reshape-literal', p.reshape(lit('c')), ({ c, root }) => splat(root, valueOf(c))),
  rule('permute-literal', p.permute(lit('c')), ({ c, root }) => splat(root, valueOf(c))),
  rule('slice-literal', p.slice(lit('c')), ({ c, root }) => splat(root, valueOf(c))),
  rule('flip-literal', p.flip(lit('c')), ({ c, root }) => splat(root, valueOf(c))),
  rule('window-literal', p.window(lit('c')), ({ c, root }) => splat(root, valueOf(c))),
  rule('gather-literal', p.gather(lit('c'), x), ({ c, root }) => splat(root, valueOf(c))),
  rule('pad-literal', p.pad(lit('c')), ({ c, root }) => splat(root, valueOf(c)),
    { when: ({ c, root }) => Object.is(valueOf(c), root.attrs.value) }),
  rule('concat-literal', anyOf('all', 'concat'), ({ all, root }) => splat(root, valueOf(all.operands[0])),
    { when: ({ all }) => isSplat(all) }),
  rule('iota-unit', p.iota(), ({ root }) => splat(root, 0), { when: ({ root }) => root.shape[root.attrs.axis as number] <= 1 }),
  rule('constant-splat', p.constant(), ({ root }) => splat(root, valuesOf(root)[0]), { when: ({ root }) => isUniform(root) }),
  rule('reshape-constant', p.reshape(as('k', p.constant())), ({ k, root }) => root.builder.constant(valuesOf(k), root)),

  // Views that do nothing.
  rule('reshape-same', p.reshape(x), ({ x }) => x, { when: unchanged }),
  rule('broadcast-same', p.broadcast(x), ({ x }) => x, { when: unchanged }),
  rule('permute-same', p.permute(x), ({ x }) => x, { when: ({ root }) => listOf(root, 'perm').every((a, i) => a === i) }),
  rule('slice-same', p.slice(x), ({ x }) => x, { when: unchanged }),
  rule('flip-same', p.flip(x), ({ x }) => x, { when: ({ root }) => listOf(root, 'axes').every((a) => root.shape[a] <= 1) }),
  rule('pad-same', p.pad(x), ({ x }) => x, { when: unchanged }),
  rule('concat-one', p.concat(x), ({ x }) => x),
  ...[[2, 1], [1, 2], [2, 2], [3, 1], [1, 3]].map(([left, right]) =>
    rule(`concat-${left}-${right}`, p.concat(parts('a', left), parts('b', right)), ({ root }) => flattened(root, [left, right]))),

  // Views of views.
  rule('reshape-reshape', p.reshape(p.reshape(x)), ({ x, root }) => reshaped(x, root.shape)),
  rule('broadcast-broadcast', p.broadcast(p.broadcast(x)), ({ x, root }) => spread(x, root.shape)),
  rule('permute-permute', p.permute(as('inner', p.permute(x))),
    ({ x, inner, root }) => permuted(x, listOf(root, 'perm').map((a) => listOf(inner, 'perm')[a]))),
  rule('permute-units', p.permute(x), ({ x, root }) => reshaped(x, root.shape),
    { when: ({ x, root }) => movesUnitsOnly(x, root) }),
  rule('flip-flip', p.flip(as('inner', p.flip(x))),
    ({ x, inner, root }) => flipped(x, either(listOf(inner, 'axes'), listOf(root, 'axes')))),
  rule('slice-slice', p.slice(as('inner', p.slice(x))), ({ x, inner, root }) => sliceOfSlice(x, inner, root)),
  rule('permute-broadcast', p.permute(p.broadcast(x)), ({ x, root }) => spread(permuted(x, listOf(root, 'perm')), root.shape)),
  rule('reshape-broadcast', p.reshape(as('b', p.broadcast(x))), ({ x, b, root }) => reshapeOfBroadcast(x, b, root)),
  rule('slice-broadcast', p.slice(as('b', p.broadcast(x))), ({ x, b, root }) => sliceOfBroadcast(x, b, root)),
  rule('slice-pad', p.slice(as('padded', p.pad(x))), ({ x, padded, root }) => sliceOfPad(x, padded, root)),
  rule('slice-pad-margin', p.slice(as('padded', p.pad(x))), ({ x, padded, root }) => marginOfPad(x, padded, root), { once: ['padded'] }),
  rule('slice-window', p.slice(as('w', p.window(x))), ({ x, w, root }) => sliceOfWindow(x, w, root)),
  rule('slice-concat', p.slice(anyOf('parts', 'concat')), ({ parts, root }) => sliceOfConcat(parts, root)),
]

const isSplat = (concat: Node): boolean =>
  concat.operands.every((o) => isLiteral(o) && Object.is(valueOf(o), valueOf(concat.operands[0])))

const valuesOf = (constant: Node): TypedArray => constant.attrs.values as TypedArray

function isUniform(constant: Node): boolean {
  const values = valuesOf(constant)
  // f16 and bf16 values are raw bits, and a literal holds a number.
  if (!values.length || (isFloat(constant.dtype) && DTYPES[constant.dtype].bytes < 4)) return false
  return values.every((v: number) => Object.is(v, values[0])) && Object.is(roundTo(values[0], constant.dtype), values[0])
}

/** Do the axes that are longer than 1 keep their order? */
function movesUnitsOnly(x: Node, root: Node): boolean {
  const moved = listOf(root, 'perm').filter((a) => x.shape[a] !== 1)
  return moved.every((a, i) => i === 0 || a > moved[i - 1])
}

const either = (a: readonly number[], b: readonly number[]): number[] =>
  [...a.filter((i) => !b.includes(i)), ...b.filter((i) => !a.includes(i))].sort((i, j) => i - j)

const flipped = (x: Node, axes: readonly number[]): Node => (axes.length ? make('flip', [x], { axes }) : x)

function sliceOfSlice(x: Node, inner: Node, root: Node): Node | null {
  if (sizeOf(root.shape) === 0) return null
  const [start, step] = [listOf(inner, 'start'), listOf(inner, 'step')]
  return make('slice', [x], {
    start: listOf(root, 'start').map((s, i) => start[i] + s * step[i]),
    size: root.shape,
    step: listOf(root, 'step').map((s, i) => s * step[i]),
  })
}

/** Only axes of extent 1 come and go: the broadcast can be done last. */
function reshapeOfBroadcast(x: Node, b: Node, root: Node): Node | null {
  const map = unitAxes(b.shape, root.shape)
  return map && spread(reshaped(x, map.map((a) => (a === null ? 1 : x.shape[a]))), root.shape)
}

/** A broadcast of what is left. */
function sliceOfBroadcast(x: Node, broadcast: Node, root: Node): Node {
  // Axes that are not repeated are cut in x itself, those of extent 1 too: they may be cut to nothing.
  const real = x.shape.map((d, a) => d === broadcast.shape[a])
  const cut = make('slice', [x], {
    start: listOf(root, 'start').map((s, a) => (real[a] ? s : 0)),
    size: root.shape.map((d, a) => (real[a] ? d : 1)),
    step: listOf(root, 'step').map((s, a) => (real[a] ? s : 1)),
  })
  return spread(cut, root.shape)
}

/** A value, or a concatenation of some. */
function parts(name: string, count: number): Pattern {
  const each = Array.from({ length: count }, (_, i) => variable(`${name}${i}`))
  return count === 1 ? each[0] : p.concat(...each)
}

/** Parts of parts along the same axis are parts. */
function flattened(root: Node, counts: readonly number[]): Node | null {
  const nested = root.operands.map((_, i) => counts[i] > 1)
  if (root.operands.some((o, i) => nested[i] && o.attrs.axis !== root.attrs.axis)) return null
  return make('concat', root.operands.flatMap((o, i) => (nested[i] ? o.operands : [o])), root.attrs)
}

/** Reads only what was padded (and not between its elements): a slice of the operand itself. */
function sliceOfPad(x: Node, padded: Node, root: Node): Node | null {
  const [low, interior] = [listOf(padded, 'low'), listOf(padded, 'interior')]
  const [start, size, step] = [listOf(root, 'start').map((s, a) => s - low[a]), root.shape, listOf(root, 'step')]
  if (sizeOf(size) === 0) return null
  const inside = start.every((s, a) => {
    const pitch = interior[a] + 1
    const stride = size[a] === 1 ? 0 : step[a]
    return s >= 0 && s % pitch === 0 && stride % pitch === 0 && (s + (size[a] - 1) * stride) / pitch < x.shape[a]
  })
  if (!inside) return null
  return make('slice', [x], {
    start: start.map((s, a) => s / (interior[a] + 1)),
    size,
    step: step.map((s, a) => (size[a] === 1 ? 1 : s / (interior[a] + 1))),
  })
}

/** Reads a part of the margins: fewer of them, around as much of the operand as is read. */
function marginOfPad(x: Node, padded: Node, root: Node): Node | null {
  const [low, start] = [listOf(padded, 'low'), listOf(root, 'start')]
  const dense = listOf(padded, 'interior').every((n) => n === 0) && listOf(root, 'step').every((n) => n === 1)
  const before = low.map((l, a) => Math.max(0, l - start[a]))
  const after = root.shape.map((d, a) => Math.max(0, start[a] + d - (low[a] + x.shape[a])))
  const size = root.shape.map((d, a) => d - before[a] - after[a])
  if (!dense || size.some((d) => d <= 0)) return null
  const cut = make('slice', [x], { start: start.map((s, a) => Math.max(0, s - low[a])), size, step: size.map(() => 1) })
  return make('pad', [sameShape(cut.shape, x.shape) ? x : cut], { ...padded.attrs, low: before, high: after })
}

/** Some of the positions: windows over the part that these see. */
function sliceOfWindow(x: Node, window: Node, root: Node): Node | null {
  const [axes, size, dilation] = [listOf(window, 'axes'), listOf(window, 'size'), listOf(window, 'dilation')]
  const rank = x.shape.length
  const wholeKernel = size.every((d, i) => root.shape[rank + i] === d)
  if (!wholeKernel || sizeOf(root.shape) === 0) return null
  const [from, steps, stride] = [listOf(root, 'start'), listOf(root, 'step'), listOf(window, 'stride')]
  const part = x.shape.map((_, a) => {
    const i = axes.indexOf(a)
    if (i < 0) return { start: from[a], size: root.shape[a], step: steps[a] }
    const seen = (root.shape[a] - 1) * steps[a] * stride[i] + (size[i] - 1) * dilation[i] + 1
    return { start: from[a] * stride[i], size: seen, step: 1 }
  })
  const cut = make('slice', [x], { start: part.map((q) => q.start), size: part.map((q) => q.size), step: part.map((q) => q.step) })
  return make('window', [cut], { ...window.attrs, stride: stride.map((s, i) => s * steps[axes[i]]) })
}

/** Reads from one part only: a slice of that part. */
function sliceOfConcat(parts: Node, root: Node): Node | null {
  const axis = parts.attrs.axis as number
  const [start, step] = [listOf(root, 'start'), listOf(root, 'step')]
  if (sizeOf(root.shape) === 0) return null
  const last = start[axis] + (root.shape[axis] - 1) * step[axis]
  let from = 0
  for (const part of parts.operands) {
    const to = from + part.shape[axis]
    if (start[axis] >= from && last < to) {
      return make('slice', [part], { start: start.map((s, a) => (a === axis ? s - from : s)), size: root.shape, step })
    }
    from = to
  }
  return null
}
