import { checkOptions, checkTensors, showValue } from '../../ir/arguments.ts'
import { checkDtype, FLOATS } from '../../ir/checks.ts'
import { GradcError } from '../../ir/errors.ts'
import { gather } from '../../ir/lang/gather.ts'
import { iota } from '../../ir/lang/leaf.ts'
import {
  add, bitwiseAnd, cast, clip, div, equal, exp, greater, less, log, logicalAnd, logicalOr, maximum, mul, neg, notEqual, stopGradient, sub, where,
} from '../../ir/lang/pointwise.ts'
import { max, sum } from '../../ir/lang/reduce.ts'
import { scan, type Checkpoint } from '../../ir/lang/scan.ts'
import type { Scalar, Tensor } from '../../ir/lang/tensor.ts'
import { expandDims, pad, reshape, slice } from '../../ir/lang/view.ts'
import { sameShape, showType, type DType, type Shape } from '../../ir/types.ts'
import { checkFlags } from '../options.ts'
import { checkReduction, reduced, type LossOptions, type ScalarLoss } from './reduction.ts'

/** Options of {@link ctc}. */
export interface CtcOptions {
  /** The class that stands for no label; default 0. */
  readonly blank?: number
  /** Whether a target that fits no path counts as 0 instead of ∞; default false. */
  readonly zeroInfinity?: boolean
  /** What reverse mode keeps of the steps, as for {@link scan}; default `all`. */
  readonly checkpoint?: Checkpoint
}

/**
 * Connectionist temporal classification (Graves et al., ICML 2006), in nats: −log of the probability that a path of T steps
 * spells the target, when repeated labels are merged and blanks dropped.
 *
 *     nn.ctc(nn.logSoftmax(logits), targets, inputLengths, targetLengths)
 *
 * `logProbs` is [T, N, C], the log-probabilities of C classes in T steps of N sequences, as of logSoftmax; `targets` i32[N, S]
 * of labels other than the blank; both lengths i32[N], at most T and S. What lies beyond the lengths is not read. `reduction`
 * `mean` (the default) divides each loss by its target's length, at least 1, and takes the mean over N, as PyTorch; `none` gives
 * [N]. A target that no path spells (too long, or of probability 0) has the loss ∞ and the gradient 0. Computed in the log domain:
 * sound for log-probabilities of any size above −1e20, and −∞.
 * The gradient by the logits below a logSoftmax is PyTorch's; that by logProbs itself is the true one, −(how likely a
 * path through this class is), where PyTorch's already holds the part of the logSoftmax.
 * Errors: shape/mismatch, dtype/mismatch, dtype/unsupported, option/invalid.
 */
export function ctc<D extends DType>(
  logProbs: Tensor<D>, targets: Tensor, inputLengths: Tensor, targetLengths: Tensor, options?: CtcOptions & ScalarLoss): Scalar<D>
export function ctc<D extends DType>(
  logProbs: Tensor<D>, targets: Tensor, inputLengths: Tensor, targetLengths: Tensor, options: CtcOptions & LossOptions): Tensor<D>
export function ctc(
  logProbs: Tensor, targets: Tensor, inputLengths: Tensor, targetLengths: Tensor, options: CtcOptions & LossOptions = {},
): Tensor {
  checkOptions(NAME, options, ['blank', 'zeroInfinity', 'reduction', 'checkpoint'])
  const { blank = 0, zeroInfinity = false, reduction = 'mean', checkpoint } = options
  const given: Given = { logProbs, targets: targets as Ints, inputLengths: inputLengths as Ints, targetLengths: targetLengths as Ints }
  checkGiven(given)
  checkFlags(NAME, { zeroInfinity })
  checkReduction(NAME, reduction)
  const classes = logProbs.shape[2]
  if (!Number.isInteger(blank) || blank < 0 || blank >= classes) {
    throw new GradcError('option/invalid', `${NAME}: blank cannot be ${showValue(blank)} among ${classes} classes`, {
      parties: [{ label: 'logProbs', node: logProbs }],
      hint: `classes are 0 to ${classes - 1}`,
    })
  }
  const likelihood = forward(given, blank, checkpoint)
  const impossible = less(likelihood, FAR / 2)
  const losses = where(impossible, zeroInfinity ? 0 : Infinity, neg(likelihood))
  if (reduction !== 'mean') return reduced(NAME, losses, reduction)
  return reduced(NAME, div(losses, cast(maximum(given.targetLengths, 1), logProbs.dtype)), 'mean')
}

const NAME = 'ctc'
type Ints = Tensor<'i32'>

/** The logarithm of 0, but finite, so that differences of two of them are 0 and not NaN. Sums over 1e8 steps still fit f32. */
const FAR = -1e30

interface Given {
  readonly logProbs: Tensor
  readonly targets: Ints
  readonly inputLengths: Ints
  readonly targetLengths: Ints
}

/** log p(target) of each sequence [N]: the forward variables α over the target with blanks between, before and after. */
function forward({ logProbs, targets, inputLengths, targetLengths }: Given, blank: number, checkpoint: Checkpoint | undefined): Tensor {
  const b = logProbs.builder
  const [n, s] = targets.shape
  const places = 2 * s + 1
  const like = b.literal(0, { dtype: 'i32', shape: [n, places] }) as Ints
  const labels = withBlanks(targets, blank)
  const at = iota(like, 1)
  // From a label one may come from the label before it, over the blank between them, unless both are the same.
  const isLabel = equal(bitwiseAnd(at, 1), 1)
  const skips = logicalAnd(greater(at, 1), logicalAnd(isLabel, notEqual(labels, moved(labels, 2, blank))))
  // Before the first step, the path stands in front of the first blank.
  const start = where(equal(at, 0), b.literal(0, { dtype: logProbs.dtype, shape: like.shape }), FAR)
  const { carry, out } = scan({ path: start }, { said: emissions(logProbs, labels) }, ({ path }, { said }, step) => {
    const skipped = where(skips, moved(path, 2, FAR), FAR)
    const next = add(logAddExp([path, moved(path, 1, FAR), skipped]), said)
    const runs = less(step, expandDims(inputLengths, 1))
    // Kept near 0 in each step, so that many steps lose no digits.
    const peak = where(runs, peakOf(next), 0)
    return { carry: { path: where(runs, sub(next, peak), path) }, out: { peak } }
  }, { length: logProbs.shape[0], checkpoint: checkpoint ?? 'all' })
  // A path ends in the last label or the blank after it.
  const last = expandDims(mul(targetLengths, 2), 1)
  const ends = logicalOr(equal(at, last), equal(at, sub(last, 1)))
  const ended = where(ends, carry.path, FAR)
  const peak = peakOf(ended)
  const likelihood = add(log(sum(exp(sub(ended, peak)), { axis: 1, keepdims: true })), add(peak, sum(out.peak, { axis: 0 })))
  return reshape(likelihood, [n])
}

/** The largest of each row, as a constant: what is taken from one term is added to another. */
const peakOf = (x: Tensor): Tensor => stopGradient(max(x, { axis: 1, keepdims: true }))

/** blank, label, blank, label, …, blank: i32[N, 2S + 1]. */
function withBlanks(targets: Ints, blank: number): Ints {
  const [n, s] = targets.shape
  const pairs = pad(expandDims(targets, 2), [[0, 0], [0, 0], [1, 0]], blank)
  return pad(reshape(pairs, [n, 2 * s]), [[0, 0], [0, 1]], blank)
}

/** What each step says of each place: [T, N, 2S + 1]; −∞ becomes the finite logarithm of 0. */
function emissions(logProbs: Tensor, labels: Ints): Tensor {
  const [steps, n, classes] = logProbs.shape
  // Clamped by hand: a label outside would read another sequence.
  const column = add(clip(labels, 0, classes - 1), mul(iota(labels, 0), classes))
  const said = gather(reshape(logProbs, [steps, n * classes]), column, { axis: 1 })
  return where(less(said, FAR), FAR, said)
}

/** Moved along the places towards the end, with `value` in front. */
const moved = <D extends DType>(x: Tensor<D>, by: number, value: number): Tensor<D> =>
  slice(pad(x, [[0, 0], [by, 0]], value), null, { stop: x.shape[1] })

/** log Σ eˣ of three, element by element. */
function logAddExp(terms: readonly Tensor[]): Tensor {
  const peak = stopGradient(terms.reduce((x, y) => maximum(x, y)))
  return add(log(terms.map((x) => exp(sub(x, peak))).reduce((x, y) => add(x, y))), peak)
}

function checkGiven({ logProbs, targets, inputLengths, targetLengths }: Given): void {
  checkTensors(NAME, [logProbs, targets, inputLengths, targetLengths])
  const named = Object.entries({ logProbs, targets, inputLengths, targetLengths })
  checkDtype(NAME, FLOATS, [logProbs])
  const parties = (...names: readonly string[]) => named.flatMap(([label, node]) => (names.includes(label) ? [{ label, node: node as Tensor }] : []))
  if (logProbs.shape.length !== 3 || logProbs.shape[2] === 0) {
    throw new GradcError('shape/mismatch', `${NAME} takes log-probabilities [T, N, classes], got [${logProbs.shape.join(', ')}]`, {
      parties: parties('logProbs'),
      hint: 'time comes first: transpose(x, [1, 0, 2])',
    })
  }
  const n = logProbs.shape[1]
  const wanted: Readonly<Record<string, Shape>> = { targets: [n, targets.shape[1] ?? 0], inputLengths: [n], targetLengths: [n] }
  for (const [name, node] of named.slice(1)) {
    if (node.dtype !== 'i32') {
      throw new GradcError('dtype/mismatch', `${NAME} needs ${name} of type i32, got ${node.dtype}`, { parties: parties('logProbs', name), hint: `cast(${name}, 'i32')` })
    }
    if (sameShape(node.shape, wanted[name])) continue
    throw new GradcError('shape/mismatch', `${NAME}: ${name} are ${showType(node)} for ${n} sequences`, {
      parties: parties('logProbs', name),
      hint: name === 'targets' ? `targets are [${n}, labels], filled up at the end` : `one length a sequence: i32[${n}]`,
    })
  }
}
