// What the program computes. `gradc build model.js -o dist` makes a module of it that needs nothing, not even gradc.
import { accuracy, compile, f32, fn, i32, nn, optim, softmax, softmaxCrossEntropy } from 'gradc'

/** Points of the plane in, one of two spirals out. */
const net = nn.sequential(nn.linear(2, 32), nn.tanh, nn.linear(32, 32), nn.tanh, nn.linear(32, 2))

export default compile({
  // One training step: results, and new weights, which stay inside the program.
  train: fn({ x: f32(64, 2), y: i32(64) }, ({ x, y }) => {
    const logits = net(x)
    return { loss: softmaxCrossEntropy(logits, y), accuracy: accuracy(logits, y) }
  }).minimize('loss', optim.adam({ lr: 1e-2 })),
  // The same weights, for one point or for many: called by the length of the input.
  predict: [1, 256].map((n) => fn({ x: f32(n, 2) }, ({ x }) => ({ p: softmax(net(x)) }))),
}, { name: 'spirals', seed: 1 })
