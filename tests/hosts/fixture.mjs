// The program that the hosts train, written in all forms.
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compile, f32, fn, gelu, i32, nn, optim, relu, softmaxCrossEntropy } from '../../dist/src/index.js'

/** Forms of the module, by the folder that each is written to. */
export const FORMS = {
  inline: { target: 'wasm', wasm: 'inline' },
  url: { target: 'wasm', wasm: 'url' },
  module: { target: 'wasm', wasm: 'module' },
  js: { target: 'js' },
  threads: { target: 'threads', wasm: 'inline' },
}

/** Many kinds of kernel in little code: convolution, pooling, normalisation, exp and erf, a random mask, Adam with a schedule. */
function programFor(target, threads) {
  const net = nn.sequential(
    nn.unflatten(1, [1, 12, 12]),
    nn.conv2d(1, 8, 3, { padding: 1 }),
    gelu,
    nn.maxPool2d(2),
    nn.flatten(),
    nn.linear(288, 32),
    nn.layerNorm(32),
    relu,
    nn.dropout(0.25),
    nn.linear(32, 10),
  )
  const train = fn({ x: f32(16, 144), y: i32(16) }, ({ x, y }) => ({ loss: softmaxCrossEntropy(net(x), y) })).minimize(
    'loss',
    optim.adam({ lr: optim.schedules.cosine({ initial: 1e-2, steps: 10 }) }),
  )
  return compile({ train }, { target, threads, name: 'net', seed: 7 })
}

/** Writes `folder`/FORM/net.js, with what lies beside it, for every form, and training.mjs beside each. */
export async function writeForms(folder) {
  const programs = { wasm: programFor('wasm'), js: programFor('js'), threads: programFor('wasm', 2) }
  for (const [form, { target, ...options }] of Object.entries(FORMS)) {
    await programs[target].write(join(folder, form), options)
    await cp(fileURLToPath(new URL('training.mjs', import.meta.url)), join(folder, form, 'training.mjs'))
  }
}
