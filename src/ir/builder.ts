import { checkTensors } from './arguments.ts'
import { GradcError, InternalError, parties } from './errors.ts'
import type { Attr, Attrs, Graph, Named, Node, StateDecl } from './graph.ts'
import { isHalf, roundHalf } from './half.ts'
import type { OpDef } from './op.ts'
import { opNamed } from './ops/index.ts'
import { captureSite, type SiteSource } from './site.ts'
import { sameType, showType, type DType, type Shape, type TensorType, type TypedArray } from './types.ts'

/**
 * Makes nodes, each only once: nodes that agree in op, operands, attributes and regions are one object (common
 * subexpressions by construction). One builder serves one function and every graph derived from it.
 */
export class Builder {
  readonly #interned = new Map<string, Node>()
  readonly #payloads = new Map<TypedArray, number>()
  readonly #regions = new Map<Graph, number>()
  readonly #inputs = new Map<string, Node>()
  readonly #states = new Map<string, { decl: StateDecl; node: Node }>()
  #next = 0
  #origin: SiteSource | null = null
  #capturing = false
  readonly #updates = new Map<string, Node>()
  #evaluation = false

  /** Number of nodes made so far; passes use it as a work budget. */
  get size(): number {
    return this.#next
  }

  /** Declared inputs in order of declaration. */
  get inputs(): Named[] {
    return [...this.#inputs].map(([name, node]) => ({ name, node }))
  }

  /** Declared states in order of declaration. */
  get states(): StateDecl[] {
    return [...this.#states.values()].map((s) => s.decl)
  }

  /** New values that the function gives to states by itself (running statistics, random streams), in order of {@link update}. */
  get updates(): Named[] {
    return [...this.#updates].map(([name, node]) => ({ name, node }))
  }

  /** True inside {@link evaluating}: layers that train and evaluate differently read it while they build. */
  get evaluation(): boolean {
    return this.#evaluation
  }

  /** While `body` runs, layers build what they compute in evaluation, not in training. */
  evaluating<T>(body: () => T): T {
    const before = this.#evaluation
    this.#evaluation = true
    try {
      return body()
    } finally {
      this.#evaluation = before
    }
  }

  /**
   * Sets the value that a declared state has after the step; the same value may be set again.
   * Errors: state/duplicate (a second, different value), shape/mismatch, dtype/mismatch.
   */
  update(state: Node, next: Node): void {
    const name = state.attrs.name as string
    const before = this.#updates.get(name)
    if (before && before !== next) {
      throw new GradcError('state/duplicate', `state ${JSON.stringify(name)} gets two new values in one step`, {
        parties: parties(before, next),
        hint: 'a layer with running statistics can be applied once in a training step; make a second one, or share it in evaluation',
      })
    }
    if (next.builder !== this) throw new GradcError('build/foreign', `the new value of ${JSON.stringify(name)} belongs to another function`)
    if (!sameType(state, next)) {
      const code = state.dtype === next.dtype ? 'shape/mismatch' : 'dtype/mismatch'
      throw new GradcError(code, `state ${JSON.stringify(name)} is ${showType(state)}, its new value ${showType(next)}`, {
        parties: parties(state, next),
      })
    }
    this.#updates.set(name, next)
  }

  /** Applies an op. Throws a GradcError at once if the operands do not fit. */
  make(op: string, operands: readonly Node[], attrs: Attrs = {}, regions: readonly Graph[] = []): Node {
    const def = opNamed(op)
    for (const x of operands) {
      if (x?.builder !== this) {
        checkTensors(op, operands)
        throw new GradcError('build/foreign', `${op} was given a value of another function`, {
          parties: parties(...operands),
          hint: 'values live only inside the function that made them; pass them in as inputs or states',
        })
      }
    }
    if (def.arity !== null && operands.length !== def.arity) {
      throw new InternalError('builder', `${op} takes ${def.arity} operands, got ${operands.length}`)
    }
    return this.#intern(def, operands, attrs, regions, def.infer(operands, attrs, regions))
  }

  #intern(def: OpDef, operands: readonly Node[], attrs: Attrs, regions: readonly Graph[], type: TensorType): Node {
    const key = this.#key(def, operands, attrs, regions)
    const known = this.#interned.get(key)
    if (known) return known
    const node: Node = {
      id: this.#next++,
      op: def.name,
      operands: Object.freeze([...operands]),
      attrs: Object.freeze({ ...attrs }),
      regions: Object.freeze([...regions]),
      dtype: type.dtype,
      shape: Object.freeze([...type.shape]),
      builder: this,
      source: this.#capturing ? captureSite() : this.#origin,
    }
    Object.freeze(node)
    this.#interned.set(key, node)
    return node
  }

  #key(def: OpDef, operands: readonly Node[], attrs: Attrs, regions: readonly Graph[]): string {
    let key = def.name
    for (const x of operands) key += `,${x.id}`
    for (const name of def.attrs ?? []) key += `|${this.#attrKey(attrs[name])}`
    for (const r of regions) key += `#${numbered(this.#regions, r)}`
    return key
  }

  #attrKey(attr: Attr): string {
    if (typeof attr === 'number') return Object.is(attr, -0) ? '-0' : String(attr)
    if (Array.isArray(attr)) return `[${attr.map((a: Attr) => this.#attrKey(a)).join()}]`
    if (ArrayBuffer.isView(attr)) return `@${numbered(this.#payloads, attr as TypedArray)}`
    return JSON.stringify(attr)
  }

  /** Declares an input of the function, or finds it again. */
  input(name: string, type: TensorType): Node {
    const known = this.#inputs.get(name)
    if (known) throw new GradcError('name/duplicate', `input ${JSON.stringify(name)} is declared twice`, { parties: [{ label: 'x', node: known }] })
    const node = this.make('input', [], { name, dtype: type.dtype, shape: type.shape })
    this.#inputs.set(name, node)
    return node
  }

  /** Declares a state, or finds it again if the same owner declared it before. */
  state(decl: StateDecl): Node {
    const known = this.#states.get(decl.name)
    if (known) {
      if (known.decl.owner === decl.owner) return known.node
      throw new GradcError('state/duplicate', `two states are named ${JSON.stringify(decl.name)}`, {
        parties: [{ label: 'x', node: known.node }],
        hint: 'give one of the two layers another name, or put both into one nn.sequential, which numbers them',
      })
    }
    const node = this.make('state', [], { name: decl.name, dtype: decl.dtype, shape: decl.shape })
    this.#states.set(decl.name, { decl, node })
    return node
  }

  /** One number spread over a shape; rounded to the dtype. */
  literal(value: number, type: TensorType): Node {
    return this.make('literal', [], { value: roundTo(value, type.dtype), dtype: type.dtype, shape: type.shape })
  }

  zeros(type: TensorType): Node {
    return this.literal(0, type)
  }

  one(like: TensorType): Node {
    return this.literal(1, like)
  }

  /** Position along `axis` as a number of the given dtype. */
  iota(shape: Shape, axis: number, dtype: DType = 'i32'): Node {
    return this.make('iota', [], { axis, dtype, shape })
  }

  /** Values known at compile time, in row-major order; they become part of the module. */
  constant(values: TypedArray, type: TensorType): Node {
    // A copy: what the caller does to the array later must not change the program.
    return this.make('constant', [], { values: kept(values), dtype: type.dtype, shape: type.shape })
  }

  /** While `body` runs, new nodes remember where the user's code made them. */
  capture<T>(body: () => T): T {
    const before = this.#capturing
    this.#capturing = true
    try {
      return body()
    } finally {
      this.#capturing = before
    }
  }

  /** While `body` runs, new nodes carry the declaration site of `of`, from which they derive. */
  derivedFrom<T>(of: Node, body: () => T): T {
    const before = [this.#origin, this.#capturing] as const
    this.#origin = of.source
    this.#capturing = false
    try {
      return body()
    } finally {
      this.#origin = before[0]
      this.#capturing = before[1]
    }
  }
}

// Module-wide, so that functions which share an array share its bytes in the program.
const COPIES = new WeakMap<TypedArray, TypedArray>()

/** A copy of the array that nobody else can change: the same one again while the array's contents are the same. */
function kept(values: TypedArray): TypedArray {
  const known = COPIES.get(values)
  if (known && known.length === values.length && known.every((v, i) => Object.is(v, values[i]))) return known
  const copy = values.slice()
  COPIES.set(values, copy)
  COPIES.set(copy, copy)
  return copy
}

function numbered<K>(table: Map<K, number>, key: K): number {
  let n = table.get(key)
  if (n === undefined) table.set(key, (n = table.size))
  return n
}

/** The nearest value that the dtype holds. */
export function roundTo(value: number, dtype: DType): number {
  switch (dtype) {
    case 'f64':
      return value
    case 'bool':
      return value ? 1 : 0
    case 'i32':
      return value | 0
    case 'u32':
      return value >>> 0
    default:
      return isHalf(dtype) ? roundHalf(value, dtype) : Math.fround(value)
  }
}
