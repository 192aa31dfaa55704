import { axis } from '../../ir/affine.ts'
import type { Nest } from '../nest.ts'
import { isContraction, operandLoad } from '../order.ts'
import { neutral } from '../lower/neutral.ts'
import type { KernelText } from './kernel-text.ts'
import type { Names } from './names.ts'
import { combineText, literal, operandText } from './scalar.ts'
import type { Scope } from './scope.ts'

/**
 * Declares accumulators of a fold with these stems, a few on a line, and gives their names. `begin`: moves the scope to the element of
 * an accumulator.
 */
export function startAccumulators(
  nest: Nest, scope: Scope, kernel: KernelText, names: Names, stems: readonly string[], begin: (i: number) => void = () => {},
): string[] {
  const fresh = stems.map((stem) => names.fresh(stem))
  const first = fresh.map((_, i) => {
    begin(i)
    return beginning(nest, scope, kernel)
  })
  for (let i = 0; i < fresh.length; i += 4) {
    scope.block.add(`let ${fresh.slice(i, i + 4).map((name, j) => `${name} = ${first[i + j]}`).join(', ')}`)
  }
  return fresh
}

/** What a fold begins with: its neutral element, or what the steps before this one have made. */
function beginning({ combine, value, carried, stores, free }: Nest, scope: Scope, { shared }: KernelText): string {
  const first = literal(neutral(combine!, value!.dtype), value!.dtype).text
  if (!carried) return first
  const [{ index, address, dtype }] = stores
  const goesOn = carried.map((k) => scope.affine(axis(k, free.length))).join(' || ')
  return `${goesOn} ? ${shared.view(dtype)}[${scope.element(index, address, dtype)}] : ${first}`
}

/** Adds the value at the scope's element to an accumulator, by the fold's operation. */
export function accumulate(nest: Nest, scope: Scope, kernel: KernelText, name: string): void {
  const { combine, value } = nest
  if (sumsInDoubles(nest, kernel)) return scope.block.add(`${name} += ${scope.piece(value!).text}`)
  if (value!.dtype === 'f32' && (combine === 'sum' || combine === 'prod')) kernel.shared.need('fround')
  const term = isProductExact(nest) ? operandText({ ...scope.piece(value!), rounds: false }) : scope.text(value!)
  scope.block.add(`${name} = ${combineText(combine!, value!.dtype, name, term)}`)
}

/** Are terms added up in doubles, to be rounded once? */
export const sumsInDoubles = ({ combine, value }: Nest, { relaxed }: KernelText): boolean =>
  relaxed && combine === 'sum' && value!.dtype === 'f32'

/** Products of two f16 have 22 bits and neither overflow nor underflow in f32: there is nothing to round. */
const isProductExact = (nest: Nest): boolean => isContraction(nest) && nest.value!.args.every((a) => operandLoad(a)?.dtype === 'f16')
