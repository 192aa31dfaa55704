export * as init from './init.ts'
export * from './activations.ts'
export { model, sequential, type Child, type Layer } from './layer.ts'
export { linear, type LinearOptions } from './linear.ts'
export * from './losses.ts'
export { Parameter, type ParameterOptions } from './parameter.ts'
export { alibi, causalMask } from './attention/masks.ts'
export { transformerBlock, type BlockOptions } from './attention/block.ts'
export {
  transformerEncoder, transformerEncoderLayer, type EncoderLayerOptions, type EncoderOptions, type MaskedLayer,
} from './attention/encoder.ts'
export { feedForward, type Activation, type FeedForwardOptions } from './attention/feed-forward.ts'
export {
  multiHeadAttention, type AttendOptions, type MultiHeadAttention, type MultiHeadAttentionOptions,
} from './attention/multi-head.ts'
export { scaledDotProductAttention, type AttentionOptions } from './attention/scaled-dot-product.ts'
export { dropout, dropout1d, dropout2d, stochasticDepth } from './dropout.ts'
export { embedding, type Embedding, type EmbeddingOptions } from './embedding.ts'
export { activationStatistics, watch, type ActivationStatistics, type Watch } from './monitors.ts'
export {
  batchNorm1d, batchNorm2d, batchNorm3d, instanceNorm1d, instanceNorm2d, instanceNorm3d,
  type BatchNormOptions, type InstanceNormOptions,
} from './normalisation/batch-norm.ts'
export { groupNorm, type GroupNormOptions } from './normalisation/group-norm.ts'
export { layerNorm, rmsNorm, type LayerNormOptions, type RmsNormOptions } from './normalisation/layer-norm.ts'
export {
  learnedPositionalEmbedding, rotary, sinusoidalPositions, type PositionalOptions, type RotaryOptions, type SinusoidalOptions,
} from './positional.ts'
export { residual, type ResidualOptions } from './residual.ts'
export {
  conv1d, conv2d, conv3d, convTranspose1d, convTranspose2d, convTranspose3d, type ConvOptions, type ConvTransposeOptions, type KernelOptions,
} from './convolution/layers.ts'
export { convolve, type ConvolveOptions, type SlidingOptions } from './convolution/convolve.ts'
export { convolveTransposed, type ConvolveTransposedOptions, type SpreadingOptions } from './convolution/convolve-transposed.ts'
export type { PaddingMode } from './convolution/margins.ts'
export type { Sizes } from './convolution/sizes.ts'
export { flatten, unflatten, type Reshaping } from './flatten.ts'
export { adaptiveAveragePool1d, adaptiveAveragePool2d, adaptiveMaxPool1d, adaptiveMaxPool2d } from './pooling/adaptive-pool.ts'
export { avgPool1d, avgPool2d, avgPool3d, type AvgPoolOptions } from './pooling/average-pool.ts'
export { globalAveragePool, globalMaxPool, type GlobalPoolOptions } from './pooling/global-pool.ts'
export { maxPool1d, maxPool2d, maxPool3d, type MaxPoolOptions, type Pool } from './pooling/max-pool.ts'
export type { PoolOptions } from './pooling/windows.ts'
export { upsample, type UpsampleOptions } from './upsample.ts'
export { gruCell, lstmCell, rnnCell, type Cell, type HiddenCarry, type MemoryCarry, type MemoryCell } from './recurrent/cells.ts'
export {
  gru, lstm, rnn, type Gru, type HiddenRun, type HiddenState, type Lstm, type MemoryRun, type MemoryState, type Rnn,
} from './recurrent/layers.ts'
export type { CellOptions, RecurrentOptions, RnnCellOptions, RnnOptions } from './recurrent/options.ts'
