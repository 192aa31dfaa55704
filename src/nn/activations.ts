// All activations; each family stands in a file of its own.
export { sigmoid, tanh } from '../ir/lang/pointwise.ts'
export { celu, elu, selu, type EluOptions } from './activations/exponential.ts'
export { glu } from './activations/glu.ts'
export { gumbelSoftmax, type GumbelSoftmaxOptions } from './activations/gumbel.ts'
export { prelu, type PreluOptions } from './activations/prelu.ts'
export {
  hardSigmoid, hardSwish, hardTanh, leakyRelu, relu, relu6, type HardTanhOptions, type LeakyReluOptions,
} from './activations/rectifiers.ts'
export { gelu, mish, silu, softsign, type GeluOptions } from './activations/smooth.ts'
export {
  logSoftmax, logsumexp, softmax, softmin, type AxisOptions, type LogsumexpOptions,
} from './activations/softmax.ts'
export { logSigmoid, softplus, type SoftplusOptions } from './activations/softplus.ts'
