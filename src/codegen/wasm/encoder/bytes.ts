/** A growing byte string with the number formats of the WebAssembly binary format (core specification, §5.2). */
export class Bytes {
  readonly #bytes: number[] = []

  get length(): number {
    return this.#bytes.length
  }

  byte(...values: number[]): this {
    this.#bytes.push(...values)
    return this
  }

  /** Unsigned LEB128 of an integer in [0, 2^53). */
  unsigned(value: number): this {
    let rest = value
    while (rest >= 128) {
      this.#bytes.push((rest % 128) | 128)
      rest = Math.floor(rest / 128)
    }
    this.#bytes.push(rest)
    return this
  }

  /** Signed LEB128, of an i32 or an i64. u32 values are given as they are and wrap to the i32 of the same bits. */
  signed(value: number | bigint, bits: 32 | 64): this {
    let rest = BigInt.asIntN(bits, BigInt(value))
    for (;;) {
      const low = Number(rest & 127n)
      rest >>= 7n
      const done = (rest === 0n && low < 64) || (rest === -1n && low >= 64)
      this.#bytes.push(done ? low : low | 128)
      if (done) return this
    }
  }

  f32(value: number): this {
    return this.#little(4, (v) => v.setFloat32(0, value, true))
  }

  f64(value: number): this {
    return this.#little(8, (v) => v.setFloat64(0, value, true))
  }

  #little(size: number, write: (view: DataView) => void): this {
    const view = new DataView(new ArrayBuffer(size))
    write(view)
    for (let i = 0; i < size; i++) this.#bytes.push(view.getUint8(i))
    return this
  }

  /** Byte count, then the UTF-8 bytes. */
  text(value: string): this {
    return this.sized(new TextEncoder().encode(value))
  }

  /** Byte count, then the bytes. */
  sized(content: Bytes | Uint8Array): this {
    this.unsigned(content.length)
    return this.append(content)
  }

  append(content: Bytes | Uint8Array): this {
    for (const b of content instanceof Bytes ? content.#bytes : content) this.#bytes.push(b)
    return this
  }

  toUint8Array(): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(this.#bytes)
  }
}
