import { checkFunction, checkTensors, isTensor, showValue } from '../arguments.ts'
import { Builder } from '../builder.ts'
import { GradcError } from '../errors.ts'
import type { Node } from '../graph.ts'
import { outline } from '../region.ts'
import { below } from '../transplant.ts'
import { isFloat, sameType, showType, type TensorType } from '../types.ts'
import type { Tensor } from './tensor.ts'

/**
 * A value with an adjoint of its own. `forward` makes the value y from the arguments; `adjoint` gives, from y, the same
 * arguments and the cotangent of y, one cotangent for each argument, of its type (null: zero). Both are built once, here;
 * the adjoint may be differentiated again. Whatever `forward` needs must be an argument; an adjoint may read anything.
 * Integers take part as arguments and have no cotangent. Forward mode cannot pass: jvp and hvp refuse (grad/forward).
 *
 *     const clipped = custom([x], ([x]) => x, ([x], y, ct) => [minimum(maximum(ct, -1), 1)])
 *
 * Errors: operand/invalid, result/invalid, shape/mismatch and dtype/mismatch (an adjoint of another type than its argument).
 */
export function custom<const A extends readonly Tensor[]>(
  args: A,
  forward: (args: A) => Tensor,
  adjoint: (args: A, y: Tensor, ct: Tensor) => readonly (Tensor | null)[],
): Tensor {
  if (!Array.isArray(args) || !args.length) {
    throw new GradcError('operand/invalid', `custom takes a list of arguments, not ${showValue(args)}`, { hint: 'custom([x, w], ([x, w]) => ..., ...)' })
  }
  checkTensors('custom', args)
  checkFunction('the forward of custom', forward, 'custom([x, w], ([x, w]) => ..., ...)')
  checkFunction('the adjoint of custom', adjoint, 'custom([x], ([x]) => ..., ([x], y, ct) => [...])')
  const b = args[0].builder
  const y = forward(args)
  checkTensors('custom (forward)', [y])
  refuseHidden(y, args)
  const mark = b.size
  const slot = (i: number, type: TensorType): Tensor =>
    b.make('input', [], { name: `\u0000custom:${mark}:${i}`, dtype: type.dtype, shape: type.shape })
  // By position: one tensor may be two arguments.
  const positions = args.map((_, i) => i)
  const floats = positions.filter((i) => isFloat(args[i].dtype))
  const all = [...floats, ...positions.filter((i) => !isFloat(args[i].dtype))]
  const slots = args.map((x, i) => slot(i, x))
  const [value, ct] = [slot(args.length, y), slot(args.length + 1, y)]
  const given = adjoint(slots as unknown as A, value, ct)
  if (!Array.isArray(given) || given.length !== args.length) {
    const what = Array.isArray(given) ? `${given.length} cotangent${given.length === 1 ? '' : 's'}` : showValue(given)
    throw new GradcError('result/invalid', `the adjoint of custom gave ${what} for ${args.length} arguments`, {
      parties: args.slice(0, 3).map((node, i) => ({ label: 'xyz'[i], node })),
      hint: 'return a list with one cotangent an argument, null where it is zero',
    })
  }
  args.forEach((x, i) => checkCotangent(x, given[i], i))
  const cotangents = floats.map((i) => given[i] ?? b.zeros(args[i]))
  const inputs = [value, ...all.map((i) => slots[i]), ct]
  const named = (nodes: readonly Node[], kind: string): { name: string; node: Node }[] => nodes.map((node, i) => ({ name: `${kind}${i}`, node }))
  const { region, captured } = outline('adjoint', () => new Builder(), named(inputs, 'a'), named(cotangents, 'ct'))
  // The cotangent comes last, behind what the adjoint captured.
  const last = region.inputs[inputs.length - 1]
  const ordered = [...region.inputs.filter((i) => i !== last), last]
  return b.make('custom', [y, ...all.map((i) => args[i]), ...captured], { count: floats.length }, [{ ...region, inputs: ordered }])
}

/** A derivative by something that the value depends on behind the arguments' back would be lost. */
function refuseHidden(y: Node, args: readonly Node[]): void {
  const among = new Set(args)
  const hidden = below([y], (n) => among.has(n)).find((n) => isFloat(n.dtype) && (n.op === 'state' || n.op === 'input'))
  if (!hidden) return
  throw new GradcError('operand/invalid', 'the forward of custom uses a value that is none of its arguments', {
    parties: [{ label: 'x', node: hidden }],
    hint: 'pass it as an argument and give its cotangent, or pass stopGradient(x) to have none',
  })
}

function checkCotangent(x: Node, ct: unknown, i: number): void {
  if (ct === null) return
  if (!isTensor(ct)) throw new GradcError('result/invalid', `the adjoint of custom gave ${showValue(ct)} for argument ${i}`, { hint: 'a tensor of its type, or null' })
  if (!isFloat(x.dtype)) {
    throw new GradcError('dtype/mismatch', `argument ${i} of custom is ${x.dtype} and has no cotangent`, { parties: [{ label: 'x', node: x }], hint: 'return null for it' })
  }
  if (sameType(x, ct)) return
  throw new GradcError(x.dtype === ct.dtype ? 'shape/mismatch' : 'dtype/mismatch', `the adjoint of argument ${i} must be ${showType(x)}, not ${showType(ct)}`, {
    parties: [{ label: 'x', node: x }, { label: 'ct', node: ct }],
    hint: 'a cotangent has the type of its argument: sum over the axes that were broadcast',
  })
}
