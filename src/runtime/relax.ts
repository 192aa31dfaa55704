/**
 * The same WebAssembly with relaxed multiply-adds, where the engine has them: every `f32x4.mul, local.get, f32x4.add` becomes
 * `local.get, f32x4.relaxed_madd` and three nops, so that no length changes and one module serves both ways. Products are then not
 * rounded before they are added, on most machines: faster, closer to the real sum, and not the same bits everywhere.
 * An emitted module carries this function's text, so it uses nothing from outside itself.
 */
export function relax(wasm: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  // Not slice(): that of a Buffer does not copy.
  const out = new Uint8Array(wasm)
  const is = (at: number, ...bytes: number[]): boolean => bytes.every((b, i) => out[at + i] === b)
  // Sections: a number, the length in seven bits a byte, the content. Only code (10) is touched.
  let at = 8
  let end = 8
  while (at < out.length) {
    const code = out[at++] === 10
    let size = 0
    for (let shift = 0, more = true; more; shift += 7) {
      size += (out[at] & 127) * 2 ** shift
      more = out[at++] > 127
    }
    end = at + size
    if (code) break
    at = end
  }
  for (let i = at; i < end; i++) {
    if (!is(i, 0xfd, 0xe6, 0x01, 0x20)) continue
    let add = i + 4
    while (out[add] > 127) add++
    add++
    if (!is(add, 0xfd, 0xe4, 0x01)) continue
    out.copyWithin(i, i + 3, add)
    out.set([0xfd, 0x85, 0x02, 1, 1, 1], add - 3)
    i = add + 2
  }
  return WebAssembly.validate(out) ? out : wasm
}
