import { checkOptions, showValue } from '../../ir/arguments.ts'
import { Builder } from '../../ir/builder.ts'
import { GradcError } from '../../ir/errors.ts'
import type { Init, Node } from '../../ir/graph.ts'
import { cast, equal, logicalAnd, rem } from '../../ir/lang/pointwise.ts'
import { showType } from '../../ir/types.ts'
import { checkFinite } from '../numbers.ts'

/** All elements 0, of any dtype. */
export const zeros: Init = (b, type) => begun('zeros', b).zeros(type)
/** All elements 1, of any dtype. */
export const ones: Init = (b, type) => begun('ones', b).one(type)
/** All elements `value`, rounded to the dtype. Errors: option/invalid unless finite. */
export function constant(value: number): Init {
  checkFinite('constant', 'value', value)
  return (b, type) => b.literal(value, type)
}

/** 1 on the diagonal of a matrix, 0 elsewhere: a linear layer that keeps its inputs. Any dtype. Errors: shape/mismatch. */
export const eye: Init = (b, type) => {
  begun('eye', b)
  if (type.shape.length !== 2) {
    throw new GradcError('shape/mismatch', `eye makes matrices, not ${showType(type)}`, {
      hint: 'weights of convolutions take init.dirac()',
    })
  }
  return cast(equal(b.iota(type.shape, 0), b.iota(type.shape, 1)), type.dtype)
}

/** Options of {@link dirac}. */
export interface DiracOptions {
  /** Groups of the convolution, each of which keeps its own channels; default 1. */
  readonly groups?: number
}

/**
 * Weights [out, in/groups, ...window] with which a convolution keeps as many channels as it can: 1 at the centre of the window
 * where the channels agree, 0 elsewhere, as PyTorch. Any dtype. Errors: option/invalid, shape/mismatch.
 */
export function dirac(options: DiracOptions = {}): Init {
  checkOptions('dirac', options, ['groups'])
  const { groups = 1 } = options
  if (!Number.isInteger(groups) || groups < 1) {
    throw new GradcError('option/invalid', `dirac: groups must be a positive integer, got ${showValue(groups)}`)
  }
  return (b, type) => {
    const { shape, dtype } = type
    if (shape.length < 3 || shape[0] % groups !== 0) {
      const made = `dirac with ${groups} groups makes weights [out, in, ...window]`
      throw new GradcError('shape/mismatch', `${made}, not ${showType(type)}`, {
        hint: shape.length < 3 ? 'matrices take init.eye' : `groups must divide ${shape[0]}`,
      })
    }
    const each = shape[0] / groups
    const at = (axis: number): Node => b.iota(shape, axis)
    const own = each === 0 ? at(0) : rem(at(0), each)
    const centred = shape.slice(2).map((extent, i) => equal(at(i + 2), Math.floor(extent / 2)))
    const kept = [equal(own, at(1)), ...centred].reduce((x, y) => logicalAnd(x, y))
    return cast(kept, dtype)
  }
}

/** The builder, unless somebody called `init.zeros()`. */
function begun(name: string, b: Builder): Builder {
  if (b instanceof Builder) return b
  throw new GradcError('option/invalid', `init.${name} takes no options`, {
    hint: `pass init.${name} itself, without calling it`,
  })
}
