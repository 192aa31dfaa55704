import { checkOptions, checkTensors, showValue } from '../ir/arguments.ts'
import { checkShape } from '../ir/checks.ts'
import { GradcError } from '../ir/errors.ts'
import type { Init, Node } from '../ir/graph.ts'
import type { Tensor } from '../ir/lang/tensor.ts'
import { isDType, isFloat, type DType, type Shape, type TensorType } from '../ir/types.ts'

/** Options of a {@link Parameter}. */
export interface ParameterOptions {
  /** Element type; default `f32`. */
  readonly dtype?: DType
  /** Whether optimisers may update it; default true for floating-point types. */
  readonly trainable?: boolean
}

/**
 * A state of a layer: a weight, or with `trainable: false` a buffer. It becomes one state of every function that reads
 * it, under one name: the path of keys through the layers that adopted it (`encoder.0.weight`), fixed when first read.
 */
export class Parameter {
  readonly type: TensorType
  readonly init: Init
  readonly trainable: boolean
  readonly #ownName: string
  #fixed: string | null = null

  /** `name` serves until a layer adopts the parameter. Errors: name/invalid, shape/invalid, dtype/unsupported, option/invalid. */
  constructor(name: string, shape: Shape, init: Init, options: ParameterOptions = {}) {
    checkOptions('a parameter', options, ['dtype', 'trainable'])
    checkKey(name)
    const { dtype = 'f32' } = options
    if (!isDType(dtype)) {
      throw new GradcError('dtype/unsupported', `parameter ${JSON.stringify(name)}: ${showValue(dtype)} is no element type`)
    }
    const { trainable = isFloat(dtype) } = options
    checkShape('parameter', shape, [])
    if (typeof init !== 'function') {
      throw new GradcError('option/invalid', `parameter ${JSON.stringify(name)} needs an initialiser`, {
        hint: 'for example init.zeros',
      })
    }
    if (trainable && !isFloat(dtype)) {
      throw new GradcError('option/invalid', `parameter ${JSON.stringify(name)} is ${dtype}, which cannot be trained`, {
        hint: 'pass trainable: false',
      })
    }
    this.#ownName = name
    this.type = Object.freeze({ dtype, shape: Object.freeze([...shape]) })
    this.init = init
    this.trainable = trainable
  }

  /** Name of the state. Adoption changes it only until the parameter is first read. */
  get name(): string {
    return this.#fixed ?? (adoptions.has(this) ? pathOf(this) : this.#ownName)
  }

  /** Its value, of its type, in the function that `x` belongs to. Errors: state/duplicate, operand/invalid. */
  of(x: Node): Tensor {
    checkTensors('a parameter', [x])
    this.#fixed = this.name
    const { type, init, trainable } = this
    return x.builder.state({ name: this.#fixed, ...type, init, trainable, owner: this })
  }
}

/** Who adopted a layer or parameter, and under which key. The first one wins: a shared layer keeps its first name. */
const adoptions = new WeakMap<object, { parent: object; key: string }>()

/** Gives a child its name below the parent, unless another parent came first. */
export function adopt(parent: object, key: string, child: object): void {
  if (!adoptions.has(child)) adoptions.set(child, { parent, key })
}

function pathOf(child: object): string {
  const keys: string[] = []
  for (let at = adoptions.get(child); at; at = adoptions.get(at.parent)) keys.unshift(at.key)
  return keys.join('.')
}

/**
 * Throws name/invalid for a part of a state's name that is empty, has a colon, which names of optimiser states have, or is
 * the one key that weights files keep for themselves.
 */
export function checkKey(key: unknown): void {
  if (typeof key === 'string' && key !== '' && key !== '__metadata__' && !key.includes(':')) return
  throw new GradcError('name/invalid', `a parameter or layer cannot be named ${showValue(key)}`, {
    hint: 'take a non-empty string without a colon, other than __metadata__',
  })
}
