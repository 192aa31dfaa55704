import { checkOptions } from '../../ir/arguments.ts'
import { GradcError } from '../../ir/errors.ts'
import type { Init } from '../../ir/graph.ts'
import type { Shape } from '../../ir/types.ts'
import { checkChoice, checkFinite, checkNotNegative } from '../numbers.ts'
import { normal, uniform } from './distributions.ts'
import { calculateGain, type Nonlinearity } from './gain.ts'

/** Options of Xavier initialisers. */
export interface XavierOptions {
  /** Factor of the standard deviation; default 1. */
  readonly gain?: number
}

/** Options of He initialisers. */
export interface HeOptions {
  /** Keeps the variance of activations (`fan_in`, default) or of gradients (`fan_out`). */
  readonly mode?: 'fan_in' | 'fan_out'
  /** What follows; default `leaky_relu` with slope a: relu. */
  readonly nonlinearity?: Nonlinearity
  /** Negative slope of the rectifier that follows; default 0: relu. */
  readonly a?: number
  /** Factor of the standard deviation; default that of the nonlinearity, √(2 / (1 + a²)). */
  readonly gain?: number
}

/** Uniform in ±gain·√(6 / (fan in + fan out)) (Glorot & Bengio, AISTATS 2010). Weights are [out, in, ...window]. */
export function xavierUniform(options: XavierOptions = {}): Init {
  return scaled('xavierUniform', uniformBy, xavierDeviation('xavierUniform', options))
}

/** Normal with deviation gain·√(2 / (fan in + fan out)) (Glorot & Bengio, AISTATS 2010). Weights are [out, in, ...window]. */
export function xavierNormal(options: XavierOptions = {}): Init {
  return scaled('xavierNormal', normalBy, xavierDeviation('xavierNormal', options))
}

/** Uniform in ±gain·√(3 / fan) (He et al., ICCV 2015). Weights are [out, in, ...window]. */
export function heUniform(options: HeOptions = {}): Init {
  return scaled('heUniform', uniformBy, heDeviation('heUniform', options))
}

/** Normal with deviation gain / √fan (He et al., ICCV 2015). Weights are [out, in, ...window]. */
export function heNormal(options: HeOptions = {}): Init {
  return scaled('heNormal', normalBy, heDeviation('heNormal', options))
}

/** Uniform in ±√(3 / fan in) (LeCun et al., "Efficient backprop", 1998). Weights are [out, in, ...window]. */
export function lecunUniform(): Init {
  return scaled('lecunUniform', uniformBy, ({ fanIn }) => 1 / Math.sqrt(fanIn))
}

/** Normal with deviation 1 / √(fan in) (LeCun et al., 1998): what selu expects. Weights are [out, in, ...window]. */
export function lecunNormal(): Init {
  return scaled('lecunNormal', normalBy, ({ fanIn }) => 1 / Math.sqrt(fanIn))
}

/** {@link xavierUniform} under its author's other name. */
export const glorotUniform: typeof xavierUniform = xavierUniform
/** {@link xavierNormal} under its author's other name. */
export const glorotNormal: typeof xavierNormal = xavierNormal
/** {@link heUniform} under its author's other name. */
export const kaimingUniform: typeof heUniform = heUniform
/** {@link heNormal} under its author's other name. */
export const kaimingNormal: typeof heNormal = heNormal

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

function xavierDeviation(name: string, options: XavierOptions): (fans: Fans) => number {
  checkOptions(name, options, ['gain'])
  const { gain = 1 } = options
  checkNotNegative(name, 'gain', gain)
  return ({ fanIn, fanOut }) => gain * Math.sqrt(2 / (fanIn + fanOut))
}

function heDeviation(name: string, options: HeOptions): (fans: Fans) => number {
  checkOptions(name, options, ['mode', 'nonlinearity', 'a', 'gain'])
  const { mode = 'fan_in', nonlinearity = 'leaky_relu', a = 0 } = options
  checkFinite(name, 'a', a)
  const gain = options.gain ?? calculateGain(nonlinearity, a)
  checkNotNegative(name, 'gain', gain)
  checkChoice(name, 'mode', mode, ['fan_in', 'fan_out'])
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
