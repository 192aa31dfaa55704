import { axis as form, constant, type AffineMap } from '../affine.ts'
import { checkAxis, checkSameDtype, checkShape, refuse } from '../checks.ts'
import type { Attrs, Node } from '../graph.ts'
import { pad, reshape, transpose as permute } from '../lang/view.ts'
import { sum } from '../lang/reduce.ts'
import { apply } from '../lang/tensor.ts'
import type { Maybe, OpDef } from '../op.ts'
import { sameShape, sizeOf, type Shape } from '../types.ts'
import { inArithmetic, linear } from './rules.ts'
import { shapeOfWindows, windowMap } from './windows.ts'

const list = (attrs: Attrs, name: string): readonly number[] => attrs[name] as readonly number[]

/** Attributes that hold one integer an axis, none below `least`. */
function perAxis(op: string, x: Node, attrs: Attrs, names: readonly (readonly [string, number])[]): void {
  for (const [name, least] of names) {
    const values = list(attrs, name)
    const fits = Array.isArray(values) && values.length === x.shape.length && values.every((v) => Number.isSafeInteger(v) && v >= least)
    if (!fits) refuse('attr/invalid', `${op}: ${name} must be ${x.shape.length} integers ≥ ${least}, one an axis`, [x])
  }
}
function distinctAxes(op: string, x: Node, axes: readonly number[]): void {
  for (const a of axes) if (a !== checkAxis(op, a, x.shape.length, [x])) refuse('shape/axis', `${op}: axis ${a} is negative`, [x])
  if (new Set(axes).size < axes.length) refuse('shape/axis', `${op}: an axis is named twice`, [x])
}

const affine = (source: (node: Node) => AffineMap): OpDef['lowering'] => ({ kind: 'view', view: 'affine', source })
const axesOf = (n: Node): number[] => n.shape.map((_, i) => i)

const inverse = (perm: readonly number[]): number[] => perm.reduce<number[]>((inv, p, i) => ((inv[p] = i), inv), [])

/** Where the elements of a strided range of each axis go back to. */
const scatterBack = (ct: Node, { operands: [x], attrs }: Node): Node => {
  const [start, size, step] = [list(attrs, 'start'), list(attrs, 'size'), list(attrs, 'step')]
  const used = (i: number): number => (size[i] === 0 ? 0 : (size[i] - 1) * step[i] + 1)
  return pad(ct, axesOf(x).map((i) => [start[i], x.shape[i] - start[i] - used(i), size[i] === 0 ? 0 : step[i] - 1]))
}

/** Other ways to read the same elements; all linear. */
export const VIEWS: readonly OpDef[] = [
  {
    name: 'reshape', arity: 1, attrs: ['shape'], cost: 0,
    infer: ([x], attrs) => {
      const shape = checkShape('reshape', list(attrs, 'shape'), [x])
      if (sizeOf(shape) !== sizeOf(x.shape)) {
        refuse('shape/mismatch', `reshape: ${sizeOf(x.shape)} elements do not fit into [${shape.join(', ')}]`, [x])
      }
      return { dtype: x.dtype, shape }
    },
    ...linear((_, ct, { operands: [x] }) => reshape(ct, x.shape)),
    lowering: { kind: 'view', view: 'reshape' },
  },
  {
    name: 'permute', arity: 1, attrs: ['perm'], cost: 0,
    infer: ([x], attrs) => {
      const perm = list(attrs, 'perm')
      distinctAxes('permute', x, perm)
      if (perm.length !== x.shape.length) refuse('attr/invalid', `permute: ${perm.length} axes for a tensor of rank ${x.shape.length}`, [x])
      return { dtype: x.dtype, shape: perm.map((p) => x.shape[p]) }
    },
    ...linear((_, ct, { attrs }) => permute(ct, inverse(list(attrs, 'perm')))),
    lowering: affine((n) => inverse(list(n.attrs, 'perm')).map((i) => form(i, n.shape.length))),
  },
  {
    name: 'broadcast', arity: 1, attrs: ['shape'], cost: 0,
    infer: ([x], attrs) => {
      const shape = checkShape('broadcast', list(attrs, 'shape'), [x])
      const fits = shape.length === x.shape.length && x.shape.every((d, i) => d === shape[i] || d === 1)
      if (!fits) refuse('shape/broadcast', `broadcast of [${x.shape.join(', ')}] to [${shape.join(', ')}]: only extents of 1 stretch`, [x])
      return { dtype: x.dtype, shape }
    },
    ...linear((_, ct, { operands: [x] }) => {
      const stretched = x.shape.flatMap((d, i) => (d === ct.shape[i] ? [] : [i]))
      return inArithmetic([ct], (c) => sum(c, { axis: stretched, keepdims: true }))
    }),
    lowering: affine((n) => n.operands[0].shape.map((d, i) => (d === 1 ? constant(0, n.shape.length) : form(i, n.shape.length)))),
  },
  {
    name: 'slice', arity: 1, attrs: ['start', 'size', 'step'], cost: 0,
    infer: ([x], attrs) => {
      perAxis('slice', x, attrs, [['start', 0], ['size', 0], ['step', 1]])
      const [start, size, step] = [list(attrs, 'start'), list(attrs, 'size'), list(attrs, 'step')]
      x.shape.forEach((extent, i) => {
        if (start[i] + Math.max(0, size[i] - 1) * step[i] >= extent + (size[i] ? 0 : 1)) {
          refuse('attr/invalid', `slice: axis ${i} of extent ${extent} has no ${size[i]} elements from ${start[i]} by ${step[i]}`, [x])
        }
      })
      return { dtype: x.dtype, shape: [...size] }
    },
    ...linear((_, ct, node) => scatterBack(ct, node)),
    lowering: affine((n) => axesOf(n).map((i) => form(i, n.shape.length, list(n.attrs, 'step')[i], list(n.attrs, 'start')[i]))),
  },
  {
    name: 'flip', arity: 1, attrs: ['axes'], cost: 0,
    infer: ([x], attrs) => {
      distinctAxes('flip', x, list(attrs, 'axes'))
      return { dtype: x.dtype, shape: x.shape }
    },
    ...linear((_, ct, { attrs }) => apply('flip', [ct], attrs)),
    lowering: affine((n) => {
      const flipped = list(n.attrs, 'axes')
      return axesOf(n).map((i) => (flipped.includes(i) ? form(i, n.shape.length, -1, n.shape[i] - 1) : form(i, n.shape.length)))
    }),
  },
  {
    name: 'pad', arity: 1, attrs: ['low', 'high', 'interior', 'value'], cost: 1,
    infer: ([x], attrs) => {
      perAxis('pad', x, attrs, [['low', 0], ['high', 0], ['interior', 0]])
      const [low, high, interior] = [list(attrs, 'low'), list(attrs, 'high'), list(attrs, 'interior')]
      const shape = x.shape.map((d, i) => low[i] + d + Math.max(0, d - 1) * interior[i] + high[i])
      return { dtype: x.dtype, shape: checkShape('pad', shape, [x]) }
    },
    tangent: (_, [d], __, y) => d && apply('pad', [d], { ...y.attrs, value: 0 }),
    transpose: (_, ct, { operands: [x], attrs }) => {
      const step = list(attrs, 'interior').map((v) => v + 1)
      // A start beyond the end of an empty axis would not fit; nothing is read there anyway.
      const start = list(attrs, 'low').map((v, i) => Math.min(v, ct.shape[i]))
      return apply('slice', [ct], { start, size: x.shape, step })
    },
    lowering: {
      kind: 'view', view: 'place', fill: (n) => n.attrs.value as number,
      target: (n) => axesOf(n).map((i) => form(i, n.shape.length, list(n.attrs, 'interior')[i] + 1, list(n.attrs, 'low')[i])),
    },
  },
  {
    name: 'concat', arity: null, attrs: ['axis'], cost: 1,
    infer: (operands, attrs) => {
      const [x] = operands
      if (!x) refuse('shape/mismatch', 'concat of nothing', [])
      const axis = checkAxis('concat', attrs.axis as number, x.shape.length, operands)
      checkSameDtype('concat', operands)
      const rest = (s: Shape): Shape => s.filter((_, i) => i !== axis)
      const other = operands.find((y) => y.shape.length !== x.shape.length || !sameShape(rest(x.shape), rest(y.shape)))
      if (other) refuse('shape/mismatch', `concat along axis ${axis}: other extents must agree`, [x, other])
      const along = operands.reduce((n, y) => n + y.shape[axis], 0)
      return { dtype: x.dtype, shape: checkShape('concat', x.shape.map((d, i) => (i === axis ? along : d)), operands) }
    },
    tangent: (b, d, operands, y) => (d.some(Boolean) ? apply('concat', d.map((t: Maybe, i) => t ?? b.zeros(operands[i])), y.attrs) : null),
    transpose: (_, ct, node, at) => {
      const axis = node.attrs.axis as number
      const x = node.operands[at]
      const before = node.operands.slice(0, at).reduce((n, y) => n + y.shape[axis], 0)
      return apply('slice', [ct], { start: x.shape.map((_, i) => (i === axis ? before : 0)), size: x.shape, step: x.shape.map(() => 1) })
    },
    lowering: {
      kind: 'view', view: 'place', fill: () => 0,
      target: (n, at) => {
        const axis = n.attrs.axis as number
        const before = n.operands.slice(0, at).reduce((s, y) => s + y.shape[axis], 0)
        return axesOf(n).map((i) => form(i, n.shape.length, 1, i === axis ? before : 0))
      },
    },
  },
  {
    name: 'window', arity: 1, attrs: ['axes', 'size', 'stride', 'dilation'], cost: 0,
    infer: ([x], attrs) => ({ dtype: x.dtype, shape: shapeOfWindows('window', x.shape, attrs, [x]) }),
    ...linear((_, ct, { operands: [x], attrs }) => inArithmetic([ct], (c) => apply('overlapAdd', [c], { ...attrs, shape: x.shape }))),
    lowering: affine((n) => windowMap(n.operands[0].shape.length, n.attrs)),
  },
]
