// Making and reading safetensors files by hand, apart from the code that is tested.

/** A file of a header, as JSON or as it is, and what follows it. */
export function fileOf(header: unknown, body: Uint8Array, length?: number | bigint): Uint8Array<ArrayBuffer> {
  const text = typeof header === 'string' ? new TextEncoder().encode(header) : new TextEncoder().encode(JSON.stringify(header))
  const bytes = new Uint8Array(8 + text.length + body.length)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length ?? text.length), true)
  bytes.set(text, 8)
  bytes.set(body, 8 + text.length)
  return bytes
}

export interface Read {
  readonly header: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>
  readonly metadata: Record<string, string> | undefined
  /** The bytes of each tensor. */
  readonly tensors: ReadonlyMap<string, Uint8Array>
}

/** Reads a file that is sound, in the plainest way. */
export function read(file: Uint8Array): Read {
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true))
  const { __metadata__: metadata, ...header } = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length)))
  const bytes = (name: string): Uint8Array => file.slice(8 + length + header[name].data_offsets[0], 8 + length + header[name].data_offsets[1])
  return { header, metadata, tensors: new Map(Object.keys(header).map((name) => [name, bytes(name)])) }
}

/** Whole numbers below n, the same for the same seed (mulberry32). */
export function randomOf(seed: number): (n: number) => number {
  let state = seed | 0
  return (n) => {
    state = (state + 0x6d2b79f5) | 0
    let x = Math.imul(state ^ (state >>> 15), state | 1)
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61)
    return (((x ^ (x >>> 14)) >>> 0) / 2 ** 32) * n | 0
  }
}
