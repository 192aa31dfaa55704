// Loops with a scalar loss, each with something of its own: shared by the tests of derivatives and of compiled code.
import {
  add, cast, cond, cumsum, custom, gather, grad, greater, logicalNot, matmul, minimum, mul, scan, sigmoid, sin, slice, square, stopGradient,
  sub, sum, tanh, where, type Checkpoint, type Scalar, type Tensor,
} from '../../src/index.ts'
import type { Shape } from '../../src/ir/types.ts'

/** Inputs, all of one floating-point type. */
type Inputs = { readonly [name: string]: Tensor }

/** A scalar function of its inputs that has loops inside. */
export interface Case {
  readonly name: string
  readonly inputs: { readonly [name: string]: Shape }
  readonly loss: (x: Inputs) => Tensor
  /** There is a custom adjoint in the way of forward mode. */
  readonly reverseOnly?: boolean
}

const RNN = { x: [5, 2, 3], w: [3, 4], u: [4, 4], h: [2, 4] }

const recurrent = (checkpoint: Checkpoint, reverse = false) => ({ x, w, u, h }: Inputs): Tensor => {
  const { carry, out } = scan({ h }, { x }, ({ h }, { x }) => {
    const next = tanh(add(matmul(x, w), matmul(h, u)))
    return { carry: { h: next }, out: { y: mul(next, next), h } }
  }, { checkpoint, reverse })
  return add(sum(carry.h), add(sum(out.y), sum(mul(out.h, 0.3))))
}

/** The same from zeros, one that also squares what it was. */
const fromZeros = (reverse: boolean, again: boolean) => ({ x, w, u }: Inputs): Tensor => {
  const h = x.builder.zeros({ dtype: x.dtype, shape: [x.shape[1], u.shape[0]] })
  const { carry, out } = scan({ h }, { x }, ({ h }, { x }) => {
    const next = tanh(add(matmul(x, w), matmul(again ? square(h) : h, u)))
    return { carry: { h: next }, out: { y: mul(next, next) } }
  }, { reverse })
  return add(sum(carry.h), sum(out.y))
}

/** A carry of whole numbers and one of bits beside the float: which row is read, and with which sign. */
function mixed({ x, h }: Inputs): Tensor {
  const zero = cast(sum(mul(stopGradient(h), 0)), 'i32')
  const { carry, out } = scan({ h, n: zero, flag: greater(zero, 0) }, {}, ({ h, n, flag }, _, step) => {
    const row = gather(x, n)
    const next = where(flag, add(h, row), sub(h, mul(row, h)))
    return { carry: { h: sin(next), n: add(n, 2), flag: logicalNot(flag) }, out: { t: mul(next, cast(step, h.dtype as 'f64')) } }
  }, { length: 4 })
  return add(sum(carry.h), sum(out.t))
}

/** One step of gradient descent by each slice, and the loss after the last. */
function descent({ x, y, w }: Inputs): Tensor {
  const loss = (w: Tensor, x: Tensor, y: Tensor): Tensor => sum(square(sub(tanh(matmul(x, w)), y)))
  const { carry } = scan({ w }, { x, y }, ({ w }, { x, y }) => ({ carry: { w: sub(w, mul(grad(loss(w, x, y), w), 0.1)) } }))
  return loss(carry.w, sum(x, { axis: 0 }), sum(y, { axis: 0 }))
}

function nested({ x, w, h }: Inputs): Tensor {
  const { carry, out } = scan({ h }, { x }, ({ h }, { x: rows }) => {
    const inner = scan({ z: h }, { row: rows }, ({ z }, { row }) => {
      return { carry: { z: tanh(add(mul(z, w), add(row, h))) }, out: { z } }
    }, { reverse: true })
    return { carry: { h: tanh(mul(inner.carry.z, mul(sum(inner.out.z), 0.2))) }, out: { s: sum(inner.out.z, { axis: 0 }) } }
  })
  return add(sum(carry.h), sum(square(out.s)))
}

const clipped = (x: Tensor, y: Tensor): Tensor =>
  custom([x, y], ([x, y]) => tanh(mul(x, y)), ([x, y], value, ct) => {
    const slope = mul(ct, sub(1, mul(value, value)))
    return [mul(slope, y), mul(slope, x)]
  })

/** Every one of them; extents are small, gradients are compared element by element. */
export const CASES: readonly Case[] = [
  { name: 'a recurrent net', inputs: RNN, loss: recurrent('all') },
  { name: 'a recurrent net, backwards', inputs: RNN, loss: recurrent('all', true) },
  { name: 'a recurrent net, √n kept', inputs: RNN, loss: recurrent('sqrt') },
  { name: 'a recurrent net, √n kept, backwards', inputs: RNN, loss: recurrent('sqrt', true) },
  { name: 'a recurrent net, two segments', inputs: RNN, loss: recurrent({ slots: 2 }) },
  { name: 'a recurrent net, one segment', inputs: RNN, loss: recurrent({ slots: 1 }) },
  { name: 'a recurrent net, more segments than steps', inputs: RNN, loss: recurrent({ slots: 9 }) },
  { name: 'a recurrent net from zeros', inputs: { x: RNN.x, w: RNN.w, u: RNN.u }, loss: fromZeros(false, false) },
  { name: 'a recurrent net from zeros, backwards', inputs: { x: RNN.x, w: RNN.w, u: RNN.u }, loss: fromZeros(true, false) },
  { name: 'a recurrent net from zeros, what it was used twice', inputs: { x: RNN.x, w: RNN.w, u: RNN.u }, loss: fromZeros(true, true) },
  {
    name: 'a function of a function, kept together', inputs: { x: [3, 4], h: [2] },
    loss: ({ x, h }) => {
      const { carry } = scan({ h }, { x }, ({ h }, { x }) => {
        const [low, high] = [slice(x, { stop: 2 }), slice(x, { start: 2 })]
        const a = sigmoid(add(h, low))
        const b = tanh(mul(a, high))
        return { carry: { h: mul(mul(a, b), add(a, b)) } }
      })
      return sum(square(carry.h))
    },
  },
  { name: 'one step from zeros', inputs: { x: [1, 2, 3], w: RNN.w, u: RNN.u }, loss: (t) => add(fromZeros(false, false)(t), sum(square(t.u))) },
  { name: 'one step', inputs: { ...RNN, x: [1, 2, 3] }, loss: recurrent('sqrt') },
  {
    name: 'no step', inputs: { ...RNN, x: [0, 2, 3] },
    loss: (t) => add(recurrent('all')(t), sum(mul(t.h, add(sum(t.w), sum(t.u))))),
  },
  {
    name: 'a product', inputs: { x: [4, 2], h: [2] },
    loss: ({ x, h }) => sum(scan({ h }, { x }, ({ h }, { x }) => ({ carry: { h: mul(h, x) } })).carry.h),
  },
  {
    name: 'carries that change places', inputs: { x: [3, 2], h: [2], g: [2] },
    loss: ({ x, h, g }) => {
      const { carry } = scan({ h, g }, { x }, ({ h, g }, { x }) => ({ carry: { h: g, g: sin(add(h, mul(x, g))) } }))
      return sum(mul(carry.h, add(carry.g, 2)))
    },
  },
  {
    name: 'outputs that are a carry, a slice and a capture', inputs: { x: [3, 2], h: [2], k: [2], m: [2] },
    loss: ({ x, h, k, m }) => {
      const { out } = scan({ h }, { x }, ({ h }, { x }) => ({ carry: { h: mul(h, k) }, out: { h, x, k, m } }))
      return sum(mul(out.h, mul(out.x, mul(out.k, out.m))))
    },
  },
  {
    name: 'what does not change: a capture in a sum and in two products', inputs: { x: [3, 2, 2], w: [2, 2], b: [2] },
    loss: ({ x, w, b }) => {
      const { out } = scan({}, { x }, (_, { x }) => ({ carry: {}, out: { y: tanh(add(matmul(matmul(x, w), w), add(b, sum(w)))) } }))
      return sum(square(out.y))
    },
  },
  {
    name: 'a carry that only some steps change', inputs: { x: [4, 2], h: [2] },
    loss: ({ x, h }) => {
      const { carry } = scan({ h }, { x }, ({ h }, { x }, step) => {
        return { carry: { h: cond(greater(step as Scalar<'i32'>, 1), () => mul(h, x), () => h) } }
      })
      return sum(square(carry.h))
    },
  },
  {
    name: 'a gradient that is stopped between steps', inputs: { x: [3, 2], h: [2] },
    loss: ({ x, h }) => {
      const { carry } = scan({ h }, { x }, ({ h }, { x }) => ({ carry: { h: sin(add(mul(stopGradient(h), 0), mul(x, x))) } }))
      return add(sum(carry.h), sum(square(h)))
    },
  },
  { name: 'whole numbers and bits beside floats', inputs: { x: [9, 2], h: [2] }, loss: mixed },
  { name: 'a loop in a loop', inputs: { x: [3, 2, 2], w: [2], h: [2] }, loss: nested },
  { name: 'a loop after a loop', inputs: { x: [3, 2], h: [2] }, loss: ({ x, h }) => {
    const first = scan({ h }, { x }, ({ h }, { x }) => ({ carry: { h: tanh(add(h, x)) }, out: { y: h } }))
    const sums = cumsum(first.out.y, { axis: 0 })
    const { carry } = scan({ h: first.carry.h }, { sums }, ({ h }, { sums }) => ({ carry: { h: sigmoid(mul(h, sums)) } }), { reverse: true })
    return sum(carry.h)
  } },
  { name: 'gradient descent inside', inputs: { x: [2, 3, 2], y: [2, 3], w: [2] }, loss: descent },
  {
    name: 'a custom adjoint inside', inputs: { x: [3, 2], h: [2], k: [2] }, reverseOnly: true,
    loss: ({ x, h, k }) => {
      const step = (h: Tensor, x: Tensor): Tensor => add(clipped(h, x), mul(k, clipped(k, h)))
      return sum(scan({ h }, { x }, ({ h }, { x }) => ({ carry: { h: step(h, x) } })).carry.h)
    },
  },
  {
    name: 'a loop over positions alone', inputs: { w: [3] },
    loss: ({ w }) => {
      const { out } = scan({ w }, {}, ({ w }, _, step) => {
        return { carry: { w }, out: { y: minimum(mul(w, add(cast(step, w.dtype as 'f64'), 1)), 10) } }
      }, { length: 3 })
      return sum(out.y)
    },
  },
]
