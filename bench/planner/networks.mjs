// npm run bench:networks -- [--json] [--rounds N] [--only REGEX]
//
// The repository's own networks: how near the arena comes to what is live at once, and what half of it costs in work and in time.
// Times are medians of both programs taking turns; the ratio is the figure, the milliseconds are those of the machine.
import { parseArgs } from 'node:util'
import { compile, f32, fn, i32, nn, optim, reshape, softmaxCrossEntropy } from '../../dist/src/index.js'

const classifier = (net, inputs, options) =>
  fn(inputs, ({ x, y }) => ({ loss: softmaxCrossEntropy(net(x), y) })).minimize('loss', options ?? optim.adam({ lr: 1e-3 }))

function gpt(layers, batch = 8, length = 64) {
  const d = 128
  const parts = {
    tokens: nn.embedding(65, d),
    positions: nn.learnedPositionalEmbedding(length, d),
    blocks: nn.sequential(...Array.from({ length: layers }, () => nn.transformerBlock(d, 4)), nn.layerNorm(d), nn.linear(d, 65, { bias: false })),
  }
  const net = nn.model(parts, ({ tokens, positions, blocks }, x) => blocks(positions(tokens(x))))
  return classifier(net, { x: i32(batch, length), y: i32(batch, length) }, optim.adamw({ lr: 1e-3 }))
}

function recurrent(steps, checkpoint = 'all') {
  const lstm = nn.lstm({ input: 32, hidden: 128, checkpoint })
  const head = nn.linear(128, 10)
  const net = nn.model({ lstm, head }, (_, x) => head(reshape(lstm.run(x).h, [16, 128])))
  return classifier(net, { x: f32(16, steps, 32), y: i32(16) })
}

const residual = (depth) => {
  const block = () => nn.residual(nn.sequential(nn.linear(64, 64), nn.relu, nn.linear(64, 64)))
  return classifier(nn.sequential(nn.linear(32, 64), ...Array.from({ length: depth }, block), nn.linear(64, 10)), { x: f32(256, 32), y: i32(256) })
}

/** Training steps by name. */
const NETWORKS = {
  'MLP 784-128-10, batch 64': () => classifier(nn.sequential(nn.linear(784, 128), nn.relu, nn.linear(128, 10)), { x: f32(64, 784), y: i32(64) }),
  'residual MLP of 32 blocks, batch 256': () => residual(32),
  'CNN, batch 32': () => classifier(nn.sequential(
    nn.conv2d(1, 32, 3, { padding: 1 }), nn.relu, nn.maxPool2d(2), nn.conv2d(32, 64, 3, { padding: 1 }), nn.relu, nn.maxPool2d(2),
    nn.flatten(), nn.linear(3136, 128), nn.relu, nn.linear(128, 10)), { x: f32(32, 1, 28, 28), y: i32(32) }),
  'LSTM of 128 steps, batch 16': () => recurrent(128),
  'LSTM of 512 steps, batch 16': () => recurrent(512),
  'GPT of 4 layers, batch 8': () => gpt(4),
  'GPT of 12 layers, batch 8': () => gpt(12),
}

/** A loop's steps are kept as the loop says, not as a budget does: the same networks that keep about √n steps. */
const SPARING = {
  'LSTM of 128 steps, batch 16': () => recurrent(128, 'sqrt'),
  'LSTM of 512 steps, batch 16': () => recurrent(512, 'sqrt'),
}

/** Median milliseconds of a step, two models taking turns. */
async function times(programs, rounds) {
  const models = await Promise.all(programs.map((p) => p.load()))
  const inputs = Object.fromEntries(programs[0].manifest.functions[0].inputs.map(({ name, dtype, shape }) => {
    const size = shape.reduce((n, d) => n * d, 1)
    return [name, dtype === 'i32' ? Int32Array.from({ length: size }, (_, i) => (7 * i) % 10) : Float32Array.from({ length: size }, (_, i) => Math.sin(i))]
  }))
  const all = models.map(() => [])
  for (const m of models) for (let i = 0; i < 3; i++) m.train(inputs)
  for (let r = 0; r < rounds; r++) {
    models.forEach((m, i) => {
      const start = performance.now()
      m.train(inputs)
      all[i].push(performance.now() - start)
    })
  }
  return all.map((list) => list.sort((a, b) => a - b)[list.length >> 1])
}

/** One record a network. */
async function* networks(rounds, only) {
  for (const [name, make] of Object.entries(NETWORKS)) {
    if (!only.test(name)) continue
    const train = make()
    const sparing = SPARING[name]?.()
    const plain = compile({ train })
    const { arenaBytes, peakBytes } = plain.memory.functions.train
    const record = { network: name, kernels: plain.memory.functions.train.kernels.length, arenaBytes, lowerBound: peakBytes, ratio: arenaBytes / peakBytes }
    if (sparing) {
      const other = compile({ train: sparing })
      const [before, after] = await times([plain, other], rounds)
      yield { ...record, way: 'checkpoint: sqrt', halfArenaBytes: other.memory.arenaBytes, plainMs: before, halfMs: after, timeRatio: after / before }
      continue
    }
    const budget = Math.floor(plain.memory.arenaBytes / 2)
    try {
      const began = performance.now()
      const half = compile({ train }, { memoryBudget: budget })
      const compileMs = performance.now() - began
      const [before, after] = await times([plain, half], rounds)
      yield { ...record, budget, halfArenaBytes: half.memory.arenaBytes, extraPercent: half.memory.functions.train.recomputePercent, plainMs: before, halfMs: after, timeRatio: after / before, compileMs }
    } catch (error) {
      if (error.code !== 'budget/infeasible') throw error
      yield { ...record, budget, infeasible: error.hint }
    }
  }
}

const { values } = parseArgs({ options: { json: { type: 'boolean' }, rounds: { type: 'string', default: '15' }, only: { type: 'string', default: '.' } } })
for await (const r of networks(Number(values.rounds), new RegExp(values.only))) {
  if (values.json) {
    console.log(JSON.stringify(r))
    continue
  }
  const half = r.way ? `${r.way}: ${r.halfArenaBytes} bytes, ${(100 * (r.timeRatio - 1)).toFixed(1)} % more time (${r.plainMs.toFixed(2)} to ${r.halfMs.toFixed(2)} ms)`
    : r.infeasible ? `half of it: ${r.infeasible}`
    : `half of it: ${r.extraPercent.toFixed(1)} % more work, ${(100 * (r.timeRatio - 1)).toFixed(1)} % more time (${r.plainMs.toFixed(2)} to ${r.halfMs.toFixed(2)} ms)`
  console.log(`${r.network}: ${r.kernels} kernels, arena ${r.arenaBytes} = ${r.ratio.toFixed(4)} of what is live at once; ${half}`)
}
