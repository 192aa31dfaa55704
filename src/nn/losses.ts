// All losses and metrics; each family stands in a file of its own.
export {
  binaryCrossEntropy, binaryCrossEntropyWithLogits, type BinaryCrossEntropyOptions, type LogitsOptions,
} from './losses/binary.ts'
export { nll, softmaxCrossEntropy, type CrossEntropyOptions } from './losses/cross-entropy.ts'
export { ctc, type CtcOptions } from './losses/ctc.ts'
export {
  cosineEmbedding, cosineSimilarity, tripletMargin, type CosineEmbeddingOptions, type CosineOptions, type TripletOptions,
} from './losses/distance.ts'
export { klDivergence, type KlOptions } from './losses/divergence.ts'
export type { ClassOptions, LabelLoss } from './losses/labels.ts'
export { hinge, multiMargin, type HingeOptions, type MultiMarginOptions } from './losses/margin.ts'
export { accuracy, perplexity } from './losses/metrics.ts'
export { l1Penalty, l2Penalty } from './losses/penalty.ts'
export { reinforce, type ReinforceOptions } from './losses/policy.ts'
export type { LossOptions, PairLoss, ScalarLoss } from './losses/reduction.ts'
export {
  halfSquaredError, huber, l1Loss, mae, mse, smoothL1, type HuberOptions, type SmoothL1Options,
} from './losses/regression.ts'
