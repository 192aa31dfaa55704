import { axis as form, plus, type AffineMap } from '../affine.ts'
import { checkAxis, checkShape, refuse } from '../checks.ts'
import type { Attrs, Node } from '../graph.ts'
import type { Shape } from '../types.ts'

const list = (attrs: Attrs, name: string): readonly number[] => attrs[name] as readonly number[]

/** Checks window attributes against the windowed shape and gives the shape of all patches: positions, then kernel axes. */
export function shapeOfWindows(op: string, shape: Shape, attrs: Attrs, parties: readonly Node[]): Shape {
  const axes = list(attrs, 'axes')
  const [size, stride, dilation] = ['size', 'stride', 'dilation'].map((name) => {
    const values = list(attrs, name)
    if (values.length !== axes.length || !values.every((v) => Number.isSafeInteger(v) && v >= 1)) {
      refuse('attr/invalid', `${op}: ${name} must be ${axes.length} integers ≥ 1, one a window axis`, parties)
    }
    return values
  })
  const distinct = new Set(axes.map((a) => checkAxis(op, a, shape.length, parties))).size
  if (distinct < axes.length) refuse('shape/axis', `${op}: an axis is named twice`, parties)
  if (axes.some((a) => a < 0)) refuse('shape/axis', `${op}: axes are counted from the front`, parties)
  const positions = shape.map((extent, a) => {
    const i = axes.indexOf(a)
    if (i < 0) return extent
    const reach = (size[i] - 1) * dilation[i] + 1
    if (extent < reach) refuse('attr/invalid', `${op}: a window that reaches over ${reach} does not fit into extent ${extent} of axis ${a}`, parties)
    return Math.floor((extent - reach) / stride[i]) + 1
  })
  return checkShape(op, [...positions, ...size], parties)
}

/** Coordinates in the windowed tensor of each patch element: position·stride + kernel·dilation. `rank` is that tensor's. */
export function windowMap(rank: number, attrs: Attrs): AffineMap {
  const axes = list(attrs, 'axes')
  const full = rank + axes.length
  return Array.from({ length: rank }, (_, a) => {
    const i = axes.indexOf(a)
    return i < 0 ? form(a, full) : plus(form(a, full, list(attrs, 'stride')[i]), form(rank + i, full, list(attrs, 'dilation')[i]))
  })
}
