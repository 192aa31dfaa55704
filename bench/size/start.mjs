// One measurement, in a process of its own: milliseconds from import to first finished step.
//   node start.mjs gradc MODULE BATCH | node start.mjs peer MODULE BATCH NET WASM-FOLDER
import { batchOf } from './batch.mjs'

const [kind, module, size, net, wasmFolder] = process.argv.slice(2)
const batch = batchOf(Number(size))

const from = performance.now()
let loss
if (kind === 'gradc') {
  const { load } = await import(module)
  loss = (await load()).train(batch).loss
} else {
  const step = await (await import(module))[net](wasmFolder, batch)
  loss = await step()
}
const ms = performance.now() - from
console.log(JSON.stringify({ ms, loss }))
// jax-js keeps the process alive.
process.exit(0)
