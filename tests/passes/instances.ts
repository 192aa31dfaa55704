import { Builder } from '../../src/ir/builder.ts'
import { GradcError } from '../../src/ir/errors.ts'
import type { Attrs, Node } from '../../src/ir/graph.ts'
import { opNamed } from '../../src/ir/ops/index.ts'
import { DTYPES, isFloat, sizeOf, type DType, type Shape, type TensorType } from '../../src/ir/types.ts'
import type { Pattern } from '../../src/passes/rewrite/pattern.ts'

export { stream as randomFrom } from '../generators.ts'

/** Thrown when random choices do not fit together; another try will do. */
export class Reject extends Error {}

/** Random graphs of the form of a pattern: the variables are inputs, attributes and shapes are chosen at random. */
export class Instances {
  readonly builder: Builder = new Builder()
  readonly inputs: Node[] = []
  readonly #random: () => number
  readonly #bound = new Map<string, Node>()
  readonly #specials: boolean

  constructor(random: () => number, specials: boolean) {
    this.#random = random
    this.#specials = specials
  }

  int(n: number): number {
    return Math.floor(this.#random() * n)
  }

  pick<T>(list: readonly T[]): T {
    return list[this.int(list.length)]
  }

  shape(): number[] {
    return Array.from({ length: this.pick([0, 1, 1, 2, 2, 3]) },
      () => this.pick([1, 1, 2, 2, 3, this.#specials && this.int(8) === 0 ? 0 : 2]))
  }

  /** An instance of the whole pattern, of any type. */
  root(pattern: Pattern): Node {
    const dtype = this.pick<DType>(['f32', 'f32', 'f64', 'i32', 'u32', 'bool'])
    return this.instance(pattern, { dtype, shape: this.shape() })
  }

  /** An instance of this type. */
  instance(pattern: Pattern, type: TensorType): Node {
    const known = pattern.name === null ? undefined : this.#bound.get(pattern.name)
    const node = known ?? this.#make(pattern, type)
    if (node.dtype !== type.dtype || node.shape.join() !== type.shape.join()) throw new Reject()
    if (pattern.name !== null) this.#bound.set(pattern.name, node)
    return node
  }

  #make(pattern: Pattern, type: TensorType): Node {
    if (pattern.kind === 'any') return this.input(type)
    if (pattern.kind === 'literal') {
      const node = this.builder.literal(pattern.value ?? this.value(type.dtype), { dtype: type.dtype, shape: type.shape })
      if (pattern.value !== null && !Object.is(node.attrs.value, pattern.value)) throw new Reject()
      return node
    }
    const { attrs, types } = this.#below(pattern.op, type)
    // With whatever operands: inputs, or now and then splats of one value.
    const kind = this.int(2) ? 'any' : 'literal'
    const value = kind === 'literal' ? this.value(type.dtype) : null
    const parts = pattern.operands ?? types.map(() => ({ ...pattern, kind, value, name: null } as Pattern))
    if (parts.length !== types.length) throw new Reject()
    try {
      return this.builder.make(pattern.op, parts.map((operand, i) => this.instance(operand, types[i])), attrs)
    } catch (error) {
      if (error instanceof GradcError) throw new Reject()
      throw error
    }
  }

  /** A new input. */
  input(type: TensorType): Node {
    const node = this.builder.input(`in${this.inputs.length}`, { dtype: type.dtype, shape: type.shape })
    this.inputs.push(node)
    return node
  }

  /** A number of the dtype; among them those that rules are wrong about, if specials are wanted. */
  value(dtype: DType): number {
    if (dtype === 'bool') return this.int(2)
    const small = this.pick(this.#specials ? [0, 1, 2, 3, 7, 31] : [0, 1, 2, 3])
    if (dtype === 'u32') return this.#specials ? this.pick([small, small, 2 ** 32 - 1, 2 ** 31]) : small
    if (dtype === 'i32') return this.pick(this.#specials ? [small, -small, -1, -(2 ** 31), 2 ** 31 - 1] : [small, -small]) + 0
    const plain = (this.#random() * 2.9 + 0.1) * (this.int(3) === 0 ? -1 : 1)
    if (!this.#specials) return this.int(6) === 0 ? small : plain
    const limits = dtype === 'f64' ? [1.7e308, 5e-324, 2.2e-308] : [3.4e38, 1e-45, 1.17549435e-38]
    return this.pick([plain, plain, plain, small, -small, 0.5, -0.5, 1.5, 2.5, -2, 4, NaN, Infinity, -Infinity, 0, -0, ...limits,
      -limits[0]])
  }

  /** Values for all inputs. */
  values(): Record<string, number[]> {
    return Object.fromEntries(this.inputs.map((n) =>
      [n.attrs.name as string, Array.from({ length: sizeOf(n.shape) }, () => this.value(n.dtype))]))
  }

  /** Attributes and operand types with which the op gives the type. */
  #below(op: string, type: TensorType): { attrs: Attrs; types: TensorType[] } {
    const { dtype, shape } = type
    const def = opNamed(op)
    const of = (...shapes: Shape[]): TensorType[] => shapes.map((s) => ({ dtype, shape: s }))
    switch (def.lowering.kind) {
      case 'pointwise':
        return this.#belowPointwise(op, def.arity!, type)
      case 'reduce': {
        const full = [...shape]
        const marks = shape.map(() => false)
        const single = op.startsWith('arg')
        for (let n = single ? 1 : this.int(3); n > 0; n--) {
          const at = this.int(full.length + 1)
          full.splice(at, 0, this.pick([1, 2, 3, this.#specials && this.int(6) === 0 ? 0 : 2]))
          marks.splice(at, 0, true)
        }
        const axes = marks.flatMap((m, a) => (m ? [a] : []))
        if (single && dtype !== 'i32') throw new Reject()
        return { attrs: { axes }, types: [{ dtype: single ? this.pick(['f32', 'i32']) : dtype, shape: full }] }
      }
      case 'contract':
        return this.#belowContract(type)
      case 'gather': {
        const axis = this.int(shape.length + 1)
        const rank = this.int(shape.length - axis + 1)
        const table = [...shape.slice(0, axis), 1 + this.int(3), ...shape.slice(axis + rank)]
        return { attrs: { axis }, types: [{ dtype, shape: table }, { dtype: 'i32', shape: shape.slice(axis, axis + rank) }] }
      }
      default:
    }
    switch (op) {
      case 'constant': {
        const same = this.value(dtype)
        const values = new DTYPES[dtype].array(sizeOf(shape)).map(() => (this.int(4) ? same : this.value(dtype)))
        return { attrs: { values, dtype, shape }, types: [] }
      }
      case 'iota':
        return { attrs: { axis: this.int(shape.length), dtype, shape }, types: [] }
      case 'reshape':
        return { attrs: { shape }, types: of(this.#reshaped(shape)) }
      case 'permute': {
        const perm = shape.map((_, i) => i).sort(() => this.#random() - 0.5)
        const source: number[] = []
        perm.forEach((a, i) => (source[a] = shape[i]))
        return { attrs: { perm }, types: of(source) }
      }
      case 'broadcast': {
        const all = this.int(3) === 0
        return { attrs: { shape }, types: of(shape.map((d) => (all || this.int(2) ? 1 : d))) }
      }
      case 'slice': {
        const start = shape.map(() => this.pick([0, 0, 1, 2]))
        const step = shape.map(() => this.pick([1, 1, 2]))
        const plain = this.int(3) === 0
        const source = shape.map((d, a) => (plain ? d : start[a] + (d ? (d - 1) * step[a] + 1 : 0) + this.int(3)))
        return { attrs: { start: plain ? shape.map(() => 0) : start, size: shape, step: plain ? shape.map(() => 1) : step },
          types: of(source) }
      }
      case 'flip':
        return { attrs: { axes: shape.flatMap((_, a) => (this.int(2) ? [a] : [])) }, types: of(shape) }
      case 'pad': {
        const parts = shape.map((n) => {
          const interior = this.pick([0, 0, 1])
          const d = this.int(n + 1)
          const free = n - d - Math.max(0, d - 1) * interior
          const low = this.int(Math.max(free, 0) + 1)
          return this.int(3) === 0 ? { d: n, interior: 0, low: 0, high: 0 } : { d, interior, low, high: free - low }
        })
        if (parts.some((q) => q.high < 0)) throw new Reject()
        const value = this.builder.literal(this.value(dtype), { dtype, shape: [] }).attrs.value
        const list = (key: 'low' | 'high' | 'interior'): number[] => parts.map((q) => q[key])
        const attrs = { low: list('low'), high: list('high'), interior: list('interior'), value }
        return { attrs, types: of(parts.map((q) => q.d)) }
      }
      case 'concat': {
        if (!shape.length) throw new Reject()
        const axis = this.int(shape.length)
        const cut = this.int(shape[axis] + 1)
        const part = (n: number): number[] => shape.map((d, a) => (a === axis ? n : d))
        return { attrs: { axis }, types: this.int(4) ? of(part(cut), part(shape[axis] - cut)) : of(shape) }
      }
      case 'window': {
        if (shape.length < 2) throw new Reject()
        const size = shape.at(-1)!
        const axis = this.int(shape.length - 1)
        const [stride, dilation] = [1 + this.int(2), 1 + this.int(2)]
        const source = shape.slice(0, -1).map((d, a) => (a === axis ? (d - 1) * stride + (size - 1) * dilation + 1 : d))
        return { attrs: { axes: [axis], size: [size], stride: [stride], dilation: [dilation] }, types: of(source) }
      }
      case 'overlapAdd': {
        if (!shape.length) throw new Reject()
        const axes = [this.int(shape.length), this.int(shape.length)].filter((a, i, all) => all.indexOf(a) === i)
        const size = axes.map(() => 1 + this.int(3))
        const [stride, dilation] = [axes.map(() => this.pick([1, 1, 2])), axes.map(() => this.pick([1, 1, 2]))]
        const patches = shape.map((d, a) => {
          const i = axes.indexOf(a)
          return i < 0 ? d : Math.floor((d - (size[i] - 1) * dilation[i] - 1) / stride[i]) + 1
        })
        if (patches.some((d) => d < 1)) throw new Reject()
        return { attrs: { shape, axes, size, stride, dilation }, types: of([...patches, ...size]) }
      }
      default:
        throw new Error(`there is no generator for ${op}`)
    }
  }

  #belowPointwise(op: string, arity: number, { dtype, shape }: TensorType): { attrs: Attrs; types: TensorType[] } {
    const all = (d: DType): TensorType[] => Array.from({ length: arity }, () => ({ dtype: d, shape }))
    const any = this.pick<DType>(['f32', 'f64', 'i32', 'u32', 'bool', dtype])
    if (op === 'cast' || op === 'bitcast') return { attrs: { to: dtype }, types: all(any) }
    if (op === 'select') return { attrs: {}, types: [{ dtype: 'bool', shape }, ...all(dtype).slice(1)] }
    const compares = ['eq', 'ne', 'lt', 'le', 'gt', 'ge'].includes(op)
    if (compares && dtype !== 'bool') throw new Reject()
    return { attrs: {}, types: all(compares ? this.pick(['f32', 'i32', 'u32', 'f64', 'bool']) : dtype) }
  }

  #belowContract({ dtype, shape }: TensorType): { attrs: Attrs; types: TensorType[] } {
    const extents = new Map<string, number>()
    const sides: [string[], string[]] = [[], []]
    const out = shape.map((d, i) => {
      const c = 'ijkl'[i]
      extents.set(c, d)
      const where = this.int(3)
      if (where !== 1) sides[0].push(c)
      if (where !== 0) sides[1].push(c)
      return c
    })
    for (const c of 'pq'.slice(0, this.int(3))) {
      extents.set(c, this.pick([1, 2, 3]))
      sides[0].push(c)
      sides[1].push(c)
    }
    const [x, y] = sides.map((s) => s.sort(() => this.#random() - 0.5).join(''))
    const typeOf = (labels: string): TensorType => ({ dtype, shape: [...labels].map((c) => extents.get(c)!) })
    return { attrs: { spec: `${x},${y}->${out.join('')}` }, types: [typeOf(x), typeOf(y)] }
  }

  /** Another shape of as many elements: axes of extent 1 come and go, neighbours merge. */
  #reshaped(shape: Shape): number[] {
    let s = [...shape]
    if (this.int(2)) s = s.filter((d) => d !== 1 || this.int(2) === 0)
    if (this.int(3) === 0) s.splice(this.int(s.length + 1), 0, 1)
    if (s.length > 1 && this.int(3) === 0) s.splice(0, 2, s[0] * s[1])
    return s
  }
}

/** Values for comparison over the reals: close in proportion to what single or double precision can tell. */
export function close(a: number, b: number, dtype: DType): boolean {
  if (!isFloat(dtype)) return a === b
  return Math.abs(a - b) <= (dtype === 'f64' ? 1e-9 : 2e-5) * Math.max(1, Math.abs(a), Math.abs(b))
}
