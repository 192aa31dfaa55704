import { checkOptions } from '../ir/arguments.ts'
import { add, div, mul, neg, sqrt, square } from '../ir/lang/pointwise.ts'
import type { Hyper, Optimizer } from '../ir/optimizer.ts'
import { perEntry } from './entries.ts'
import { checkName, checkNumber, checkOption, NON_NEGATIVE, POSITIVE, valueOf } from './hyper.ts'

/** Options of {@link adagrad}. */
export interface AdagradOptions {
  /** Learning rate, ≥ 0; a number or a scalar of the step. Default 1e-2. */
  readonly lr?: Hyper
  /** What the sum of squares starts at, ≥ 0. Default 0, as PyTorch (optax: 0.1). */
  readonly initial?: number
  /** Added to the root, > 0. Default 1e-10, as PyTorch (optax: 1e-7, inside the root). */
  readonly eps?: number
  /** Begins the names of its states; default `adagrad`. */
  readonly name?: string
}

/**
 * Adagrad (Duchi, Hazan & Singer, JMLR 2011), with PyTorch's ε outside the root: s ← s + g², θ ← θ − lr·g / (√s + eps).
 * State: `adagrad:sum:<parameter>`, of its type. Errors: option/invalid, name/invalid.
 */
export function adagrad(options: AdagradOptions = {}): Optimizer {
  checkOptions('adagrad', options, ['lr', 'initial', 'eps', 'name'])
  const { lr = 1e-2, initial = 0, eps = 1e-10, name = 'adagrad' } = options
  checkName(name)
  checkOption('adagrad', 'lr', lr, NON_NEGATIVE)
  checkNumber('adagrad', 'initial', initial, NON_NEGATIVE)
  checkNumber('adagrad', 'eps', eps, POSITIVE)
  return perEntry(name, (ctx, entry) => {
    const { gradient, parameter } = entry
    const sum = ctx.slot(entry, 'sum', parameter, (b, type) => b.literal(initial, type))
    const next = add(sum, square(gradient))
    ctx.assign(sum, next)
    const rate = valueOf('adagrad', 'lr', lr, ctx, gradient.dtype)
    return neg(div(mul(gradient, rate), add(sqrt(next), eps)))
  })
}
