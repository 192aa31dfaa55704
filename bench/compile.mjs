// npm run bench:compile -- [--json]
//
// How long it takes to compile training steps, from their declaration on: transformers of 4 to 48 layers, multi-layer perceptrons of 50
// and 200. `nodes` are those of the optimised step, forward, backward and update. `ms` is the least of three
// by the clock; `cpuMs` the same of this process's processor time, with the engine's own threads, where others count less.
import { parseArgs } from 'node:util'
import { compile, f32, fn, i32, nn, optim, softmaxCrossEntropy } from '../dist/src/index.js'

const trained = (net, inputs) => fn(inputs, ({ x, y }) => ({ loss: softmaxCrossEntropy(net(x), y) })).minimize('loss', optim.adamw({ lr: 1e-3 }))

function gpt(layers) {
  const [d, length] = [128, 64]
  const net = nn.model({
    token: nn.embedding(65, d), position: nn.learnedPositionalEmbedding(length, d),
    blocks: nn.sequential(...Array.from({ length: layers }, () => nn.transformerBlock(d, 4)), nn.layerNorm(d), nn.linear(d, 65, { bias: false })),
  }, ({ token, position, blocks }, x) => blocks(position(token(x))))
  return trained(net, { x: i32(8, length), y: i32(8, length) })
}

function perceptron(layers) {
  const hidden = Array.from({ length: layers }, () => [nn.linear(32, 32), nn.tanh]).flat()
  return trained(nn.sequential(...hidden, nn.linear(32, 10)), { x: f32(16, 32), y: i32(16) })
}

function nodesOf({ results, updates }) {
  const seen = new Set()
  const stack = [...results, ...updates].map((r) => r.node)
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (seen.has(node)) continue
    seen.add(node)
    stack.push(...node.operands)
  }
  return seen.size
}

const { values: { json } } = parseArgs({ options: { json: { type: 'boolean', default: false } } })
const cases = [...[4, 12, 24, 48].map((n) => [`transformer, ${n} layers`, () => gpt(n)]), ...[50, 200].map((n) => [`perceptron, ${n} layers`, () => perceptron(n)])]
for (const [name, declare] of cases) {
  let best = { ms: Infinity }
  for (let i = 0; i < 3; i++) {
    const [start, before] = [performance.now(), process.cpuUsage()]
    const program = compile({ train: declare() })
    const { user, system } = process.cpuUsage(before)
    const ms = performance.now() - start
    if (ms < best.ms) best = { ms, cpuMs: (user + system) / 1000, nodes: nodesOf(program.compiled.plans[0].graph), kernels: program.compiled.plans[0].kernels.length }
  }
  const { ms, cpuMs, nodes, kernels } = best
  if (json) console.log(JSON.stringify({ name, ms, cpuMs, nodes, kernels, usPerNode: (1000 * ms) / nodes }))
  else console.log(`${name}: ${nodes} nodes, ${kernels} kernels, ${ms.toFixed(0)} ms (${cpuMs.toFixed(0)} of processor time), ${((1000 * ms) / nodes).toFixed(0)} µs a node`)
}
