// What one thread of this machine can do at most from within WebAssembly's 128-bit vectors: multiply-adds that live in
// registers and wait neither for memory nor for each other, and a loop that copies.

const CHAINS = 12
const LANES = 4
/** Passes over the chains in one run, about a millisecond. */
const PASSES = 500_000
const FLOPS = 2 * CHAINS * LANES * PASSES

/** The copy lies a little off a power of two, or reads would wait for writes 4 KiB apart. */
const APART = 2112

const I32 = 0x7f, V128 = 0x7b
const leb = (n) => (n < 128 ? [n] : [(n & 127) | 128, ...leb(n >>> 7)])
const signed = (n) => {
  const low = n & 127
  const rest = n >> 7
  return (rest === 0 && !(low & 64)) || (rest === -1 && low & 64) ? [low] : [low | 128, ...signed(rest)]
}
const get = (local) => [0x20, local]
const set = (local) => [0x21, local]
const int = (value) => [0x41, ...signed(value)]
const splat = (value) => [0x43, ...new Uint8Array(Float32Array.of(value).buffer), 0xfd, 0x13]

const name = (text) => new TextEncoder().encode(text)

/** A module of one function (i32) without results, `run`, and as many pages of `memory`. */
function moduleOf(locals, body, pages) {
  const code = [...locals, ...body, 0x0b]
  const section = (id, bytes) => [id, ...leb(bytes.length), ...bytes]
  return Uint8Array.from([
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, [1, 0x60, 1, I32, 0]),
    ...section(3, [1, 0]),
    ...section(5, [1, 0, ...leb(pages)]),
    ...section(7, [2, 3, ...name('run'), 0, 0, 6, ...name('memory'), 2, 0]),
    ...section(10, [1, ...leb(code.length), ...code]),
  ])
}

/** x ← x·factor + term in every chain, `relaxed`: in one instruction; their sum is stored so that none can be left out. */
function chains(relaxed) {
  const [factor, term] = [CHAINS + 1, CHAINS + 2]
  const mul = [0xfd, 0xe6, 1], add = [0xfd, 0xe4, 1], madd = [0xfd, 0x85, 2]
  const each = (write) => Array.from({ length: CHAINS }, (_, i) => write(i + 1)).flat()
  const next = (chain) =>
    relaxed ? [...get(chain), ...get(factor), ...get(term), ...madd, ...set(chain)]
      : [...get(chain), ...get(factor), ...mul, ...get(term), ...add, ...set(chain)]
  const body = [
    ...splat(0.999), ...set(factor), ...splat(0.001), ...set(term),
    0x03, 0x40, // loop
    ...each(next),
    ...get(0), ...int(1), 0x6b, 0x22, 0, 0x0d, 0, 0x0b, // again while --passes
    ...int(0), ...splat(0), ...each((chain) => [...get(chain), ...add]), 0xfd, 0x0b, 4, 0, // v128.store
  ]
  return moduleOf([1, CHAINS + 2, V128], body, 1)
}

/** Four vectors a turn from i to `copied` + APART + i, for i below the argument, which is `copied`, a multiple of 64. */
function copies(copied) {
  const i = 1
  const vector = (at) => [...get(i), ...get(i), 0xfd, 0, 4, ...leb(at), 0xfd, 0x0b, 4, ...leb(copied + APART + at)]
  const body = [
    0x03, 0x40, // loop
    ...[0, 16, 32, 48].flatMap(vector),
    ...get(i), ...int(64), 0x6a, 0x22, i, ...get(0), 0x49, 0x0d, 0, 0x0b, // again while (i += 64) < bytes
  ]
  return moduleOf([1, 1, I32], body, Math.ceil((2 * copied + APART) / 65536))
}

/**
 * A subject: see `worker.mjs`. Its steps take the time that `work` would take: `{ flops }`, or `{ bytes, footprint }`, bytes read and
 * written together by what touches a footprint of different bytes (default: all). Half of the footprint is copied into the
 * other, so that the caches help as much. Multiply-adds are single instructions where the engine has them.
 */
export async function ceiling({ flops, bytes, footprint = bytes }) {
  const fused = chains(true)
  const wasm = bytes ? copies(footprint / 2) : WebAssembly.validate(fused) ? fused : chains(false)
  const { instance: { exports: { run, memory } } } = await WebAssembly.instantiate(wasm)
  // Pages that were never written are all one page of zeros, which stays in the first cache.
  new Uint8Array(memory.buffer).fill(1)
  const step = bytes ? () => (run(footprint / 2), 0) : () => (run(PASSES), 0)
  return { step, reset() {}, scale: bytes ? bytes / footprint : flops / FLOPS }
}
