/**
 * The same WebAssembly, to be given a memory that is not shared: of the memory that it imports as m.memory the flag that says so is
 * cleared. What it does with one thread needs nothing else. An emitted module carries this function's text, so it uses nothing from
 * outside itself.
 */
export function unshare(wasm: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(wasm)
  // "m", "memory", a memory (2), shared with a maximum (3); imports stand before all code and constants.
  const found = [1, 109, 6, 109, 101, 109, 111, 114, 121, 2, 3]
  let at = 8
  while (at < out.length && !found.every((b, i) => out[at + i] === b)) at++
  if (at < out.length) out[at + found.length - 1] = 1
  return out
}
