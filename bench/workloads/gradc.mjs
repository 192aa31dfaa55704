// gradc itself, as it was built into dist/: each workload from the layers that a user would take.
import { compile, f32, fn, gelu, i32, mse, nn, optim, reshape, softmaxCrossEntropy } from '../../dist/src/index.js'
import { ADAM, SGD, WORKLOADS, valuesOf } from '../values.mjs'

/** As it is. */
const plain = ({ values }) => values
/** `w[in][out]` as the `[out, in]` that linear layers keep. */
function transposed({ values, shape: [inputs, outputs] }) {
  return values.map((_, at) => values[(at % inputs) * outputs + Math.floor(at / inputs)])
}

/** Weights and biases of linear layers by the keys they have in the model, in the order of the workload's parameters. */
const dense = (...keys) => keys.flatMap((key) => [[`${key}.weight`, transposed], [`${key}.bias`, plain]])

/**
 * What a workload is in gradc: `forward(x)` its network, `input` and `target` its specs, and for each of the workload's
 * parameters in their order [name of the state, what it keeps of the canonical layout].
 */
const DECLARED = {
  mlp({ batch, widths, activation }) {
    const last = widths.length - 2
    const layers = widths.slice(1).flatMap((width, i) => [nn.linear(widths[i], width), ...(i < last ? [nn[activation]] : [])])
    const net = nn.sequential(...layers)
    const [regression, target] = widths.at(-1) === 1 ? [true, f32(batch, 1)] : [false, i32(batch)]
    const loss = regression ? mse : softmaxCrossEntropy
    const states = dense(...widths.slice(1).map((_, i) => 2 * i))
    return { input: f32(batch, widths[0]), target, loss: (x, y) => loss(net(x), y), states }
  },
  cnn({ batch }) {
    const net = nn.sequential(
      nn.conv2d(1, 32, 3, { padding: 1 }), nn.relu, nn.maxPool2d(2),
      nn.conv2d(32, 64, 3, { padding: 1 }), nn.relu, nn.maxPool2d(2),
      nn.flatten(), nn.linear(3136, 128), nn.relu, nn.linear(128, 10),
    )
    const kernels = [0, 3].flatMap((key) => [[`${key}.weight`, plain], [`${key}.bias`, plain]])
    return {
      input: f32(batch, 1, 28, 28), target: i32(batch), loss: (x, y) => softmaxCrossEntropy(net(x), y),
      states: [...kernels, ...dense(7, 9)],
    }
  },
  lstm({ batch, steps, inputs, hidden }) {
    const cell = nn.lstm({ input: inputs, hidden })
    const out = nn.linear(hidden, 10)
    const net = nn.model({ cell, out }, (_, x) => out(reshape(cell.run(x).h, [batch, hidden])))
    return {
      input: f32(batch, steps, inputs), target: i32(batch), loss: (x, y) => softmaxCrossEntropy(net(x), y),
      states: [['cell.weight_ih_l0', transposed], ['cell.weight_hh_l0', transposed], ['cell.bias_ih_l0', plain], ...dense('out')],
      // PyTorch's second bias: the peers have one, so it stays what it is.
      zero: ['cell.bias_hh_l0'],
    }
  },
  gpt({ batch, length, vocabulary, d, heads, layers }) {
    const tanhGelu = (x) => gelu(x, { approximate: 'tanh' })
    const blocks = Array.from({ length: layers }, () => nn.transformerBlock(d, heads, { activation: tanhGelu }))
    const net = nn.model({
      token: nn.embedding(vocabulary, d), position: nn.learnedPositionalEmbedding(length, d),
      blocks: nn.sequential(...blocks), norm: nn.layerNorm(d), head: nn.linear(d, vocabulary, { bias: false }),
    }, ({ token, position, blocks: stack, norm, head }, x) => head(norm(stack(position(token(x))))))
    const norm = (key) => [[`${key}.weight`, plain], [`${key}.bias`, plain]]
    const block = (at) => [
      ...norm(`${at}.norm1`), [`${at}.attn.in_proj_weight`, transposed], [`${at}.attn.in_proj_bias`, plain],
      ...dense(`${at}.attn.out_proj`), ...norm(`${at}.norm2`), ...dense(`${at}.mlp.fc1`, `${at}.mlp.fc2`),
    ]
    return {
      input: i32(batch, length), target: i32(batch, length), loss: (x, y) => softmaxCrossEntropy(net(x), y),
      states: [
        ['token.weight', plain], ['position.weight', plain], ...blocks.flatMap((_, i) => block(`blocks.${i}`)), ...norm('norm'),
        ['head.weight', transposed],
      ],
    }
  },
}

/** The declared training step of a workload, and what {@link DECLARED} says of its states. */
export function declared(workload) {
  const spec = WORKLOADS[workload]
  const { input, target, loss, states, zero = [] } = DECLARED[spec.kind](spec)
  const { lr, beta1: b1, beta2: b2, eps } = ADAM
  const optimizer = spec.optimizer === 'sgd' ? optim.sgd(SGD) : optim.adam({ lr, b1, b2, eps })
  const train = fn({ x: input, y: target }, ({ x, y }) => ({ loss: loss(x, y) }))
    .minimize('loss', zero.length ? optim.groups(zero.map((name) => [name, optim.frozen]), { otherwise: optimizer }) : optimizer)
  return { train, states, zero }
}

/** A subject: see `worker.mjs`. `options` are compile's. */
export async function gradc(workload, options) {
  const { train, states, zero } = declared(workload)
  const program = compile({ train }, { name: 'bench', ...options })
  const model = await program.load()
  const { parameters, x, y } = valuesOf(workload)
  const first = states.map(([name, layout], i) => [name, layout(parameters[i])])

  const reset = () => {
    model.reset() // clears Adam's moments and its count of steps
    for (const [name, values] of first) model.state[name].set(values)
    for (const name of zero) model.state[name].fill(0)
  }
  const batch = { x, y }
  return { step: () => model.train(batch).loss, reset, compileMs: program.compiled.compileMs }
}
