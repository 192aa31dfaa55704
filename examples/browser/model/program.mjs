// What the page computes: one training step with the learning rate as an input, and predictions of one digit or of many.
import { compile, f32, fn, i32, nn, optim, relu, softmax, softmaxCrossEntropy } from '../../../dist/src/index.js'

/** Digits of a training step. */
export const BATCH = 32
/** Digits that are kept aside to see whether others are still read. */
export const OTHERS = 200

/** The same program for both targets: 784 pixels of mean 0 and deviation 1, 128 hidden units, 10 classes, gradient descent. */
export function programFor(target) {
  const net = nn.sequential(nn.linear(784, 128), relu, nn.linear(128, 10))
  const train = fn({ x: f32(BATCH, 784), y: i32(BATCH), lr: f32() }, ({ x, y }) => ({
    loss: softmaxCrossEntropy(net(x), y),
  })).minimize('loss', optim.sgd({ lr: ({ inputs }) => inputs.lr }))
  const predict = [1, OTHERS].map((n) => fn({ x: f32(n, 784) }, ({ x }) => ({ p: softmax(net(x)) })))
  return compile({ train, predict }, { target, name: 'digits' })
}
