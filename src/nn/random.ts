import { checkTensors } from '../ir/arguments.ts'
import type { Builder } from '../ir/builder.ts'
import type { Node, StateDecl } from '../ir/graph.ts'
import { randomBits } from '../ir/lang/gather.ts'
import { add, bitwiseXor } from '../ir/lang/pointwise.ts'
import type { Tensor } from '../ir/lang/tensor.ts'
import type { Shape } from '../ir/types.ts'

/** Drawn once from the program's seed; saved with the state, so that a restored run draws what it would have drawn. */
const KEY: StateDecl = { name: 'random:key', dtype: 'u32', shape: [2], init: (_, __, key) => key, trainable: false, owner: {} }
/** Counts the training steps that drew; the next one draws other words. */
const STEP: StateDecl = { name: 'random:step', dtype: 'u32', shape: [], init: (b, type) => b.zeros(type), trainable: false, owner: {} }

const drawn = new WeakMap<Builder, number>()

/**
 * Random words u32[shape], others in every step and for every call within one function: Philox by key and step, so that
 * they can be made again instead of kept. The function gets the states `random:key` and `random:step`.
 */
export function randomWords(x: Node, shape: Shape): Tensor<'u32'> {
  checkTensors('randomWords', [x])
  const b = x.builder
  const use = drawn.get(b) ?? 0
  drawn.set(b, use + 1)
  const key = b.state(KEY) as Tensor<'u32'>
  const step = b.state(STEP) as Tensor<'u32'>
  b.update(step, add(step, 1))
  return randomBits(bitwiseXor(key, b.literal(use, key) as Tensor<'u32'>), step, shape)
}
