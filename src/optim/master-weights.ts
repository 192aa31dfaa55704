import { GradcError } from '../ir/errors.ts'
import type { Node } from '../ir/graph.ts'
import { randomBits } from '../ir/lang/gather.ts'
import { abs, add, bitcast, bitwiseAnd, bitwiseXor, cast, equal, lessEqual, where } from '../ir/lang/pointwise.ts'
import type { Entry, Optimizer, TransformContext } from '../ir/optimizer.ts'
import type { TensorType } from '../ir/types.ts'
import { COUNT } from './context.ts'
import { isStill } from './entries.ts'
import { checkOptimizer } from './inner.ts'

/**
 * Lets `optimizer` train f32 copies of the f16 and bf16 parameters (Micikevicius et al., ICLR 2018): the parameters are the
 * copies, rounded to the nearest. All of the optimiser's states are f32, f32 and f64 parameters are its own. A copy is taken
 * from its parameter in the first step; to change a weight later, change the copy. Stands outermost:
 * masterWeights(lossScale(adamw())).
 * States besides the optimiser's, whose name it shares: `<name>:master.weight:<parameter>` f32, `<name>:master.count` i32[].
 * Errors: option/invalid.
 */
export function masterWeights(optimizer: Optimizer): Optimizer {
  return rounding('masterWeights', optimizer, (ctx) => {
    const count = ctx.own('master.count', COUNT)
    ctx.assign(count, where(equal(count, 0), 1, count))
    return (entry) => {
      const { parameter } = entry
      const copy = ctx.slot(entry, 'master.weight', wide(parameter))
      return {
        value: where(equal(count, 0), cast(parameter, 'f32'), copy),
        rounded(next) {
          ctx.assign(copy, next)
          return cast(next, parameter.dtype)
        },
      }
    }
  })
}

/**
 * Lets `optimizer` train bf16 parameters without copies: each new value is computed in f32 and rounded up or down at random,
 * with the nearer neighbour the more likely, so that small updates are not lost but right in the mean (Gupta et al., ICML
 * 2015). Random bits are Philox by key and step. NaN stays NaN, infinities stay. f32 and f64 parameters are not rounded. Stands
 * outermost.
 * States besides the optimiser's, whose name it shares: `<name>:rounding.key` u32[2], `<name>:rounding.step` u32[].
 * Errors: option/invalid; at `minimize`, dtype/unsupported (f16).
 */
export function stochasticRounding(optimizer: Optimizer): Optimizer {
  return rounding('stochasticRounding', optimizer, (ctx) => {
    const key = ctx.own('rounding.key', { dtype: 'u32', shape: [2] }, (_, __, seed) => seed)
    const step = ctx.own('rounding.step', { dtype: 'u32', shape: [] })
    ctx.assign(step, add(step, 1))
    return (entry, i) => {
      const { parameter } = entry
      if (parameter.dtype !== 'bf16') {
        throw new GradcError('dtype/unsupported', `stochasticRounding rounds bf16, not ${parameter.dtype}`, {
          parties: [{ label: 'x', node: parameter }],
          hint: 'optim.masterWeights(...) takes f16, too',
        })
      }
      return {
        value: cast(parameter, 'f32'),
        rounded: (next) => cast(upper(next, randomBits(bitwiseXor(key, ctx.builder.literal(i, key)), step, next.shape)), 'bf16'),
      }
    }
  })
}

/** The f32 value that a parameter is trained as, and how a new one becomes the parameter. */
interface Widened {
  readonly value: Node
  rounded(next: Node): Node
}

function rounding(
  whose: string, optimizer: Optimizer, begin: (ctx: TransformContext) => (entry: Entry, i: number) => Widened,
): Optimizer {
  checkOptimizer(whose, optimizer, { seeds: true })
  return {
    name: optimizer.name,
    replaces: true,
    ...(optimizer.seed && { seed: (ctx: TransformContext) => optimizer.seed!(ctx) }),
    update(ctx, entries) {
      const widened = entries.some((e) => isNarrow(e.parameter)) ? begin(ctx) : null
      const wides = entries.map((e, i) => (widened && isNarrow(e.parameter) ? widened(e, i) : null))
      const inside = entries.map((e, i): Entry => {
        const wider = wides[i]
        return wider ? { ...e, parameter: wider.value, gradient: unrounded(e.gradient) } : e
      })
      return optimizer.update(ctx, inside).map((delta, i) => {
        const { parameter } = inside[i]
        const next = isStill(delta) ? parameter : add(parameter, delta)
        return wides[i] ? wides[i].rounded(next) : next
      })
    },
  }
}

const isNarrow = (x: Node): boolean => x.dtype === 'f16' || x.dtype === 'bf16'
const wide = (x: Node): TensorType => ({ dtype: 'f32', shape: x.shape })

/** A gradient in f32; as it was before it was rounded to its parameter's type, where that is known. */
function unrounded(gradient: Node): Node {
  const [x] = gradient.operands
  return gradient.op === 'cast' && x.dtype === 'f32' ? x : cast(gradient, 'f32')
}

/** An f32 with only the upper 16 bits left, of which a carry from random lower ones made the next. */
function upper(x: Node, bits: Node): Node {
  const mask = bitwiseAnd(add(bitcast(x, 'u32'), bitwiseAnd(bits, 0xffff)), 0xffff0000)
  const finite = lessEqual(abs(x), (2 - 2 ** -23) * 2 ** 127)
  return where(finite, bitcast(mask, 'f32'), x)
}
