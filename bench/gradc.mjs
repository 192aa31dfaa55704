// gradc itself, as it was built into dist/.
import { compile, f32, fn, i32, nn, optim, softmaxCrossEntropy } from '../dist/src/index.js'
import { ADAM, CLASSES, HIDDEN, INPUTS, firstWeights } from './values.mjs'

/** `w[in][out]` as the `[out, in]` that linear layers keep. */
const transposed = (w, inputs, outputs) => w.map((_, at) => w[(at % inputs) * outputs + Math.floor(at / inputs)])

/** A peer of the bench: see `run.mjs`. */
export async function gradc(batch, target) {
  const net = nn.sequential(nn.linear(INPUTS, HIDDEN), nn.relu, nn.linear(HIDDEN, CLASSES))
  const declared = fn({ x: f32(batch, INPUTS), y: i32(batch) }, ({ x, y }) => ({ loss: softmaxCrossEntropy(net(x), y) }))
  const { lr, beta1: b1, beta2: b2, eps } = ADAM
  const program = compile({ train: declared.minimize('loss', optim.adam({ lr, b1, b2, eps })) }, { target, name: 'bench' })
  const model = await program.load()
  const first = firstWeights()

  const reset = () => {
    model.reset() // clears Adam's moments and its count of steps
    model.state['0.weight'].set(transposed(first.w1, INPUTS, HIDDEN))
    model.state['0.bias'].set(first.b1)
    model.state['2.weight'].set(transposed(first.w2, HIDDEN, CLASSES))
    model.state['2.bias'].set(first.b2)
  }
  const step = (samples) => model.train(samples).loss
  return { name: `gradc-${target}`, step, reset }
}
