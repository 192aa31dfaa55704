import { checkOptions } from '../ir/arguments.ts'
import type { Node } from '../ir/graph.ts'
import { einsum, matmul } from '../ir/lang/contract.ts'
import { add, div, maximum, mul, neg, sqrt, square } from '../ir/lang/pointwise.ts'
import { sum } from '../ir/lang/reduce.ts'
import { transpose } from '../ir/lang/view.ts'
import type { Entry, Hyper, Optimizer, TransformContext } from '../ir/optimizer.ts'
import { sizeOf } from '../ir/types.ts'
import { adamw } from './adam.ts'
import { moving } from './average.ts'
import { inner } from './context.ts'
import {
  BELOW_ONE, checkCount, checkFlag, checkName, checkNumber, checkOption, NON_NEGATIVE, POSITIVE, valueOf,
} from './hyper.ts'
import { checkOptimizer } from './inner.ts'

/** Options of {@link muon}. */
export interface MuonOptions {
  /** Learning rate, ≥ 0; a number or a scalar of the step. Default 1e-3. */
  readonly lr?: Hyper
  /** Decay of the mean of gradients, in [0, 1). Default 0.95. */
  readonly momentum?: number
  /** Looks ahead along the mean. Default true. */
  readonly nesterov?: boolean
  /** Share of a matrix that is taken away, times the learning rate, ≥ 0. Default 0.1, as PyTorch. */
  readonly weightDecay?: Hyper
  /** Newton–Schulz iterations, a whole number ≥ 1. Default 5. */
  readonly steps?: number
  /** Least norm that a direction is divided by, > 0. Default 1e-7. */
  readonly eps?: number
  /** Updates what is no matrix: biases, gains, kernels. Default `adamw()`. */
  readonly fallback?: Optimizer
  /** Begins the names of its states; default `muon`. */
  readonly name?: string
}

/** Coefficients of the odd quintic that pulls singular values into [0.7, 1.2] (Jordan et al., 2024). */
const [A, B, C] = [3.4445, -4.775, 2.0315]

/**
 * Muon (Jordan et al., 2024, https://kellerjordan.github.io/posts/muon), as `torch.optim.Muon`, but in the parameter's type,
 * not bf16: for matrices m ← momentum·m + (1 − momentum)·g, d = (1 − momentum)·g + momentum·m (nesterov) or m, made nearly
 * orthogonal by Newton–Schulz: X = d/‖d‖, then X ← 3.4445·X − 4.775·(XXᵀ)X + 2.0315·(XXᵀ)²X, `steps` times;
 * θ ← θ − lr·(√max(1, rows/columns)·X + weightDecay·θ), for weights [out, in]. What is not of rank 2 goes to `fallback`;
 * embeddings and the last layer are better kept apart, too: see `groups`.
 * States: `muon:momentum:<parameter>`, `muon:<fallback>.<kind>:<parameter>`. Errors: option/invalid, name/invalid.
 */
export function muon(options: MuonOptions = {}): Optimizer {
  checkOptions('muon', options, ['lr', 'momentum', 'nesterov', 'weightDecay', 'steps', 'eps', 'fallback', 'name'])
  const { lr = 1e-3, momentum = 0.95, nesterov = true, weightDecay = 0.1 } = options
  const { steps = 5, eps = 1e-7, fallback = adamw(), name = 'muon' } = options
  checkName(name)
  checkOption('muon', 'lr', lr, NON_NEGATIVE)
  checkNumber('muon', 'momentum', momentum, BELOW_ONE)
  checkFlag('muon', 'nesterov', nesterov)
  checkOption('muon', 'weightDecay', weightDecay, NON_NEGATIVE)
  checkCount('muon', 'steps', steps)
  checkNumber('muon', 'eps', eps, POSITIVE)
  checkOptimizer('muon', fallback)

  const delta = (ctx: TransformContext, entry: Entry): Node => {
    const { parameter, gradient } = entry
    const { dtype } = gradient
    const [rows, columns] = parameter.shape
    const m = moving(ctx, ctx.slot(entry, 'momentum'), gradient, momentum)
    const direction = nesterov ? add(mul(gradient, 1 - momentum), mul(m, momentum)) : m
    const x = mul(orthogonal(direction, steps, eps), Math.sqrt(Math.max(1, rows / columns)))
    const rate = valueOf('muon', 'lr', lr, ctx, dtype)
    if (weightDecay === 0) return neg(mul(x, rate))
    return neg(mul(add(x, mul(parameter, valueOf('muon', 'weightDecay', weightDecay, ctx, dtype))), rate))
  }

  return {
    name,
    update(ctx, entries) {
      const others = entries.filter((e) => !isMatrix(e))
      const moved = others.length ? fallback.update(inner(ctx, { prefix: `${fallback.name}.` }), others) : []
      return entries.map((e) =>
        isMatrix(e) ? ctx.builder.derivedFrom(e.parameter, () => delta(ctx, e)) : moved[others.indexOf(e)])
    },
  }
}

const isMatrix = ({ parameter: { shape } }: Entry): boolean => shape.length === 2 && sizeOf(shape) > 0

/** Newton–Schulz in the orientation whose Gram matrix is the smaller one. */
function orthogonal(matrix: Node, steps: number, eps: number): Node {
  const tall = matrix.shape[0] > matrix.shape[1]
  let x = tall ? transpose(matrix) : matrix
  x = div(x, maximum(sqrt(sum(square(x))), eps))
  for (let i = 0; i < steps; i++) {
    const gram = einsum('ik,jk->ij', x, x)
    x = add(mul(x, A), matmul(add(mul(gram, B), mul(matmul(gram, gram), C)), x))
  }
  return tall ? transpose(x) : x
}
