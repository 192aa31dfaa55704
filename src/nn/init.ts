import { checkOptions, showValue } from '../ir/arguments.ts'
import { GradcError } from '../ir/errors.ts'
import { Builder } from '../ir/builder.ts'
import type { Init, Node } from '../ir/graph.ts'
import { add, cast, cos, log1p, mul, neg, rightShift, sqrt } from '../ir/lang/pointwise.ts'
import { showType, type Shape, type TensorType } from '../ir/types.ts'

/** Options of Xavier initialisers. */
export interface XavierOptions {
  /** Factor of the standard deviation; default 1. */
  readonly gain?: number
}

/** Options of He initialisers. */
export interface HeOptions {
  /** Keeps the variance of activations (`fan_in`, default) or of gradients (`fan_out`). */
  readonly mode?: 'fan_in' | 'fan_out'
  /** Negative slope of the rectifier that follows; default 0: relu. */
  readonly a?: number
  /** Factor of the standard deviation; default √(2 / (1 + a²)). */
  readonly gain?: number
}

/** All elements 0, of any dtype. */
export const zeros: Init = (b, type) => begun('zeros', b).zeros(type)
/** All elements 1, of any dtype. */
export const ones: Init = (b, type) => begun('ones', b).one(type)
/** All elements `value`, rounded to the dtype. Errors: option/invalid unless finite. */
export function constant(value: number): Init {
  checkFinite('constant', 'value', value)
  return (b, type) => b.literal(value, type)
}

/** Uniform from low up to high (which only rounding can reach), 24 bits an element. Errors: option/invalid unless low ≤ high. */
export function uniform(low = 0, high = 1): Init {
  checkFinite('uniform', 'low', low)
  checkFinite('uniform', 'high', high)
  if (low > high) throw new GradcError('option/invalid', `uniform from ${low} to ${high}: low must not be above high`)
  return (b, type, key) => drawn(type, (t) => add(mul(unit(b, t, key, 0), high - low), low))
}

/** Normal by mean and standard deviation (Box & Muller, 1958). Errors: option/invalid for a negative deviation. */
export function normal(mean = 0, std = 1): Init {
  checkFinite('normal', 'mean', mean)
  checkFinite('normal', 'std', std)
  checkNotNegative('normal', 'std', std)
  return (b, type, key) =>
    drawn(type, (t) => {
      // 1 − u lies in (0, 1], so the logarithm is finite: the largest draw is √(48·ln 2) ≈ 5.77 deviations.
      const radius = sqrt(mul(log1p(neg(unit(b, t, key, 0))), -2))
      return add(mul(mul(radius, cos(mul(unit(b, t, key, 1), 2 * Math.PI))), std), mean)
    })
}

/** Uniform in ±gain·√(6 / (fan in + fan out)) (Glorot & Bengio, AISTATS 2010). Weights are [out, in, ...window]. */
export function xavierUniform(options: XavierOptions = {}): Init {
  checkOptions('xavierUniform', options, ['gain'])
  const { gain = 1 } = options
  checkNotNegative('xavierUniform', 'gain', gain)
  return scaled('xavierUniform', uniformBy, ({ fanIn, fanOut }) => gain * Math.sqrt(2 / (fanIn + fanOut)))
}

/** Normal with deviation gain·√(2 / (fan in + fan out)) (Glorot & Bengio, AISTATS 2010). Weights are [out, in, ...window]. */
export function xavierNormal(options: XavierOptions = {}): Init {
  checkOptions('xavierNormal', options, ['gain'])
  const { gain = 1 } = options
  checkNotNegative('xavierNormal', 'gain', gain)
  return scaled('xavierNormal', normalBy, ({ fanIn, fanOut }) => gain * Math.sqrt(2 / (fanIn + fanOut)))
}

/** Uniform in ±gain·√(3 / fan) (He et al., ICCV 2015). Weights are [out, in, ...window]. */
export function heUniform(options: HeOptions = {}): Init {
  return scaled('heUniform', uniformBy, heDeviation('heUniform', options))
}

/** Normal with deviation gain / √fan (He et al., ICCV 2015). Weights are [out, in, ...window]. */
export function heNormal(options: HeOptions = {}): Init {
  return scaled('heNormal', normalBy, heDeviation('heNormal', options))
}

/** The builder, unless somebody called `init.zeros()`. */
function begun(name: string, b: Builder): Builder {
  if (b instanceof Builder) return b
  throw new GradcError('option/invalid', `init.${name} takes no options`, { hint: `pass init.${name} itself, without calling it` })
}

interface Fans {
  readonly fanIn: number
  readonly fanOut: number
}

const uniformBy = (deviation: number): Init => uniform(-Math.sqrt(3) * deviation, Math.sqrt(3) * deviation)
const normalBy = (deviation: number): Init => normal(0, deviation)

/** An initialiser whose standard deviation follows from the fans of the weight; nothing to draw where a fan is 0. */
function scaled(name: string, draw: (deviation: number) => Init, deviation: (fans: Fans) => number): Init {
  return (b, type, key) => {
    const std = deviation(fansOf(name, type.shape))
    return Number.isFinite(std) ? draw(std)(b, type, key) : b.zeros(type)
  }
}

function heDeviation(name: string, options: HeOptions): (fans: Fans) => number {
  checkOptions(name, options, ['mode', 'a', 'gain'])
  const { mode = 'fan_in', a = 0, gain = Math.sqrt(2 / (1 + a * a)) } = options
  checkNotNegative(name, 'gain', gain)
  if (mode !== 'fan_in' && mode !== 'fan_out') {
    throw new GradcError('option/invalid', `${name}: mode must be fan_in or fan_out, got ${showValue(mode)}`)
  }
  return ({ fanIn, fanOut }) => gain / Math.sqrt(mode === 'fan_in' ? fanIn : fanOut)
}

/** As PyTorch: of a weight [out, in, ...window], in · |window| and out · |window|. */
function fansOf(name: string, shape: Shape): Fans {
  if (shape.length < 2) {
    throw new GradcError('shape/mismatch', `${name} needs a weight [out, in, ...window], got [${shape.join(', ')}]`, {
      hint: 'biases take init.zeros, init.uniform or init.normal',
    })
  }
  const window = shape.slice(2).reduce((n, d) => n * d, 1)
  return { fanIn: shape[1] * window, fanOut: shape[0] * window }
}

/** Numbers in [0, 1) with 24 random bits, exact in f32 and f64 alike; draws with different `stream` are independent. */
function unit(b: Builder, { dtype, shape }: TensorType, key: Node, stream: number): Node {
  const bits = b.make('randomBits', [key, b.literal(stream, { dtype: 'u32', shape: [] })], { shape })
  return mul(cast(rightShift(bits, 8), dtype), 2 ** -24)
}

/** Draws in f32 for the 16-bit storage types; refuses integers. */
function drawn(type: TensorType, draw: (type: TensorType) => Node): Node {
  switch (type.dtype) {
    case 'f32':
    case 'f64':
      return draw(type)
    case 'f16':
    case 'bf16':
      return cast(draw({ ...type, dtype: 'f32' }), type.dtype)
    default:
      throw new GradcError('dtype/unsupported', `${showType(type)} cannot be drawn from a continuous distribution`, {
        hint: 'integer and boolean states take init.zeros, init.ones or init.constant',
      })
  }
}

function checkFinite(name: string, option: string, value: number): void {
  if (typeof value === 'number' && Number.isFinite(value)) return
  throw new GradcError('option/invalid', `${name}: ${option} must be a finite number, got ${showValue(value)}`)
}

function checkNotNegative(name: string, option: string, value: number): void {
  checkFinite(name, option, value)
  if (value < 0) throw new GradcError('option/invalid', `${name}: ${option} must not be negative, got ${value}`)
}
