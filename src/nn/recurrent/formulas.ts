import { add, mul, sigmoid, sub, tanh } from '../../ir/lang/pointwise.ts'
import type { Tensor } from '../../ir/lang/tensor.ts'
import { slice } from '../../ir/lang/view.ts'
import { relu } from '../activations.ts'

/** What a recurrent layer carries from step to step, by name: h, of an LSTM also c; each [B, hidden]. */
export type Carry = { readonly [name: string]: Tensor }

/** One step of a recurrent layer, apart from its weights. */
export interface Formula {
  readonly name: string
  /** Names of what is carried; h is what it gives. */
  readonly carries: readonly string[]
  /** Blocks of `hidden` rows in its weights. */
  readonly gates: number
  /** The bias of the hidden product may be added to that of the input: no gate comes between. */
  readonly biasesMeet: boolean
  /** The next carry of what the input and the hidden state say, each [B, gates · hidden]. */
  next(input: Tensor, hidden: Tensor, carry: Carry): Carry
}

/** h′ = f(x + h), f tanh or relu. */
export const plain = (name: string, nonlinearity: 'tanh' | 'relu'): Formula => ({
  name, carries: ['h'], gates: 1, biasesMeet: true,
  next: (input, hidden) => ({ h: (nonlinearity === 'relu' ? relu : tanh)(add(input, hidden)) }),
})

/** Gates i, f, g, o: c′ = σ(f)·c + σ(i)·tanh(g), h′ = σ(o)·tanh(c′). */
export const longShortTerm = (name: string): Formula => ({
  name, carries: ['h', 'c'], gates: 4, biasesMeet: true,
  next: (input, hidden, { c }) => {
    const [i, f, g, o] = blocks(add(input, hidden), 4)
    const memory = add(mul(sigmoid(f), c), mul(sigmoid(i), tanh(g)))
    return { h: mul(sigmoid(o), tanh(memory)), c: memory }
  },
})

/** Gates r, z, n: n = tanh(x + σ(r)·h), h′ = (1 − σ(z))·n + σ(z)·h; r gates the hidden product with its bias. */
export const gated = (name: string): Formula => ({
  name, carries: ['h'], gates: 3, biasesMeet: false,
  next: (input, hidden, { h }) => {
    const [xr, xz, xn] = blocks(input, 3)
    const [hr, hz, hn] = blocks(hidden, 3)
    const reset = sigmoid(add(xr, hr))
    const keep = sigmoid(add(xz, hz))
    const fresh = tanh(add(xn, mul(reset, hn)))
    return { h: add(mul(sub(1, keep), fresh), mul(keep, h)) }
  },
})

/** Equal parts of [B, n · hidden]. */
function blocks(x: Tensor, n: number): Tensor[] {
  const width = x.shape[1] / n
  return Array.from({ length: n }, (_, i) => slice(x, null, { start: i * width, stop: (i + 1) * width }))
}
