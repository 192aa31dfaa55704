import { nn, type Tensor } from '../../src/index.ts'

/** Characters that the net sees at once. */
export const CONTEXT = 64

/** How large the net is. */
export interface Sizes {
  readonly features?: number
  readonly heads?: number
  readonly blocks?: number
}

/** Characters [batch, positions], at most CONTEXT positions, to logits [batch, positions, alphabet] of what follows each. */
export type Network = (x: Tensor<'i32'>) => Tensor<'f32'>

/** The net for an alphabet of so many characters. */
export const network = (alphabet: number, { features = 128, heads = 4, blocks = 4 }: Sizes = {}): Network =>
  nn.model({
    embed: nn.embedding(alphabet, features, { weightInit: nn.init.normal(0, 0.02) }),
    positions: nn.learnedPositionalEmbedding(CONTEXT, features),
    blocks: nn.sequential(...Array.from({ length: blocks }, () => nn.transformerBlock(features, heads))),
    norm: nn.layerNorm(features),
    head: nn.linear(features, alphabet, { bias: false }),
  }) as nn.Layer as Network
