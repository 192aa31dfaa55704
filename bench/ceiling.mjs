// What one thread of this machine can do at most in 128-bit WebAssembly, without a relaxed multiply-add: twelve chains
// of multiply and add that live in registers and never wait for memory or for each other.
import { median } from './measure.mjs'

const CHAINS = 12
const LANES = 4
const ROUNDS = 200_000

/** (func (export "run") (param $rounds i32) (result f32)): the chains, then their sum so that none can be left out. */
function chains() {
  const I32 = 0x7f, F32 = 0x7d, V128 = 0x7b
  const [factor, term] = [CHAINS + 1, CHAINS + 2]
  const mul = [0xfd, 0xe6, 1], add = [0xfd, 0xe4, 1]
  const get = (local) => [0x20, local], set = (local) => [0x21, local]
  const splat = (value) => [0x43, ...new Uint8Array(Float32Array.of(value).buffer), 0xfd, 0x13]
  const each = (write) => Array.from({ length: CHAINS }, (_, i) => write(i + 1)).flat()
  const code = [
    1, CHAINS + 2, V128, // locals: the chains, then factor and term
    ...splat(0.999), ...set(factor), ...splat(0.001), ...set(term),
    0x03, 0x40, // loop
    ...each((chain) => [...get(chain), ...get(factor), ...mul, ...get(term), ...add, ...set(chain)]),
    ...get(0), 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b, // again while --rounds
    ...splat(0), ...each((chain) => [...get(chain), ...add]), 0xfd, 0x1f, 0, 0x0b,
  ]
  const leb = (n) => (n < 128 ? [n] : [(n & 127) | 128, n >> 7])
  const section = (id, bytes) => [id, ...leb(bytes.length), ...bytes]
  return Uint8Array.from([
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, [1, 0x60, 1, I32, 1, F32]),
    ...section(3, [1, 0]),
    ...section(7, [1, 3, ...new TextEncoder().encode('run'), 0, 0]),
    ...section(10, [1, ...leb(code.length), ...code]),
  ])
}

/** Median GFLOP/s of `rounds` short runs. */
export async function ceiling(rounds) {
  const { instance } = await WebAssembly.instantiate(chains())
  const gflops = []
  for (let round = 0; round <= rounds; round++) {
    const from = performance.now()
    instance.exports.run(ROUNDS)
    const ms = performance.now() - from
    if (round > 0) gflops.push((2 * CHAINS * LANES * ROUNDS) / ms / 1e6) // the first run is compiled less well
  }
  return median(gflops)
}
