// The two networks of the table, their first batch, and gradc's program for each. Adam with lr 1e-3, softmax cross-entropy.
import { compile, f32, fn, i32, nn, optim, relu, softmax, softmaxCrossEntropy } from '../../dist/src/index.js'

const mlp = () => nn.sequential(nn.linear(784, 128), relu, nn.linear(128, 10))
const cnn = () =>
  nn.sequential(
    nn.unflatten(1, [1, 28, 28]),
    nn.conv2d(1, 32, 3, { padding: 1 }),
    relu,
    nn.maxPool2d(2),
    nn.conv2d(32, 64, 3, { padding: 1 }),
    relu,
    nn.maxPool2d(2),
    nn.flatten(),
    nn.linear(3136, 128),
    relu,
    nn.linear(128, 10),
  )

/** What is compared, and the bars of gradc: bytes of its module under gzip, milliseconds from import to first step. */
export const NETS = {
  mlp: { title: 'MLP 784-128-10', batch: 64, make: mlp, barBytes: 10_000, barMs: 30, runs: 15 },
  cnn: { title: 'CNN of two convolutions', batch: 32, make: cnn, barBytes: 20_000, barMs: null, runs: 5 },
}

/** Train, predict, first values and weights files in one program. */
export function programOf(name, target) {
  const { batch, make } = NETS[name]
  const net = make()
  return compile(
    {
      train: fn({ x: f32(batch, 784), y: i32(batch) }, ({ x, y }) => ({ loss: softmaxCrossEntropy(net(x), y) })).minimize(
        'loss',
        optim.adam({ lr: 1e-3 }),
      ),
      predict: fn({ x: f32(1, 784) }, ({ x }) => ({ p: softmax(net(x)) })),
    },
    { target, name },
  )
}
