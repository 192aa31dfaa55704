import { checkDtype, FLOATS } from '../../ir/checks.ts'
import type { Node } from '../../ir/graph.ts'
import { constant } from '../../ir/lang/leaf.ts'
import { abs, cast, greaterEqual, mul, sub } from '../../ir/lang/pointwise.ts'
import type { Tensor } from '../../ir/lang/tensor.ts'
import { reshape } from '../../ir/lang/view.ts'
import type { DType } from '../../ir/types.ts'
import { checkCount } from '../options.ts'

/**
 * bool[queries, keys], true where a query may attend: at keys that are not later than itself. Queries and keys are
 * counted from the same start, as in PyTorch: query i sees keys 0..i. Compared from positions, so it takes no bytes.
 * `like` is any tensor of the function. Errors: option/invalid.
 */
export function causalMask(like: Node, queries: number, keys: number = queries): Tensor<'bool'> {
  checkCount('causalMask', 'the number of queries', queries, 'nn.causalMask(x, 128)')
  checkCount('causalMask', 'the number of keys', keys, 'nn.causalMask(x, 128)')
  const [row, column] = positions(like, queries, keys)
  return greaterEqual(row, column)
}

/**
 * Attention with linear biases (Press, Smith & Lewis, ICLR 2022): −slope·|query − key|, [heads, queries, keys], of the dtype of
 * `like` (f32 or f64), for the `mask` of attention. Slopes are 2^(−8·h/heads) for h = 1, 2, … if heads is a power of two, else
 * those of the next lower power of two, filled up by every other one of the next higher, as in the paper's code.
 * Errors: option/invalid, dtype/unsupported.
 */
export function alibi<D extends DType>(like: Tensor<D>, heads: number, queries: number, keys: number = queries): Tensor<D> {
  checkDtype('alibi', FLOATS, [like])
  checkCount('alibi', 'the number of heads', heads, 'nn.alibi(x, 8, 128)')
  checkCount('alibi', 'the number of queries', queries, 'nn.alibi(x, 8, 128)')
  checkCount('alibi', 'the number of keys', keys, 'nn.alibi(x, 8, 128)')
  const [row, column] = positions(like, queries, keys)
  const slopes = slopesOf(heads).map((s) => -s)
  const minus: Tensor = constant(like, like.dtype === 'f64' ? Float64Array.from(slopes) : Float32Array.from(slopes))
  return mul(reshape(minus, [heads, 1, 1]) as Tensor<D>, cast(abs(sub(row, column)), like.dtype))
}

const positions = (like: Node, queries: number, keys: number): Tensor<'i32'>[] =>
  [0, 1].map((axis) => like.builder.iota([queries, keys], axis) as Tensor<'i32'>)

function slopesOf(heads: number): number[] {
  const power = 2 ** Math.floor(Math.log2(heads))
  const of = (n: number): number[] => Array.from({ length: n }, (_, h) => 2 ** ((-8 * (h + 1)) / n))
  const odd = of(2 * power).filter((_, h) => h % 2 === 0)
  return [...of(power), ...odd.slice(0, heads - power)]
}
