import type { Manifest } from '../ir/manifest.ts'
import type { TypedArray } from '../ir/types.ts'
import type { Fail } from './boot.ts'

/** How to take a weights file. */
export interface RestoreOptions {
  /**
   * Whether file and program must have the same tensors (default). `false`, for transfer learning: takes what fits by name, element
   * type and shape, and leaves the rest.
   */
  readonly strict?: boolean
}

/** What came of a weights file. A name that is both kept and left has another type or shape here than in the file. */
export interface Restored {
  /** States that have the file's values now. */
  readonly taken: readonly string[]
  /** States that keep the values that they had. */
  readonly kept: readonly string[]
  /** Tensors of the file that were left out, with their types in the file: `F32 [10,512]`. */
  readonly left: readonly { readonly name: string; readonly type: string }[]
  /** Was it saved by this very program, by the hash of its manifest? */
  readonly sameProgram: boolean
}

/** A model's states to a file and back. */
export interface Weights {
  readonly save: () => Uint8Array<ArrayBuffer>
  readonly restore: (file: Uint8Array, options?: RestoreOptions) => Restored
}

/**
 * Writes and reads safetensors (github.com/huggingface/safetensors): eight bytes with the length of a JSON header, the header, the
 * tensors. An emitted module carries this function's text, so it uses nothing from outside itself.
 */
export function weights(manifest: Manifest, state: Readonly<Record<string, TypedArray>>, fail: Fail): Weights {
  // Files may be hostile: what is told of them is cut to a line.
  const show = (value: unknown): string => JSON.stringify(value).slice(0, 99)
  const typeOf = (dtype: string, shape: readonly number[]): string => `${dtype.toUpperCase()} ${JSON.stringify(shape)}`
  const bytesOf = ({ buffer, byteOffset, byteLength }: TypedArray): Uint8Array => new Uint8Array(buffer, byteOffset, byteLength)

  const save = (): Uint8Array<ArrayBuffer> => {
    const header = {}
    // Names are the user's and may be `__proto__`.
    const add = (name: string, value: object): unknown => Object.defineProperty(header, name, { value, enumerable: true })
    add('__metadata__', { format: 'gradc', program: manifest.name, manifest: manifest.hash })
    let end = 0
    for (const { name, dtype, shape } of manifest.states) {
      const begin = end
      end += state[name].byteLength
      add(name, { dtype: dtype.toUpperCase(), shape, data_offsets: [begin, end] })
    }
    const text = new TextEncoder().encode(JSON.stringify(header))
    // The header is padded with spaces so that the tensors start on a multiple of 8 bytes.
    let at = 8 + Math.ceil(text.length / 8) * 8
    const file = new Uint8Array(at + end).fill(32, 0, at)
    new DataView(file.buffer).setBigUint64(0, BigInt(at - 8), true)
    file.set(text, 8)
    for (const { name } of manifest.states) {
      file.set(bytesOf(state[name]), at)
      at += state[name].byteLength
    }
    return file
  }

  const restore = (file: Uint8Array, options?: RestoreOptions): Restored => {
    const hint = 'nothing was changed; save() gives such files, and restore(file, { strict: false }) takes what fits'
    const bad = (problem: string): Error => fail('file/invalid', problem, hint)
    const strict = options?.strict ?? true
    if (typeof strict !== 'boolean') throw fail('option/invalid', 'strict must be true or false', hint)
    if (!ArrayBuffer.isView(file) || file[Symbol.toStringTag] !== 'Uint8Array' || file.length < 8) {
      throw bad('this is not a safetensors file')
    }
    const size = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true))
    const start = 8 + size
    const room = file.length - start
    // 1e8 is the format's own limit.
    if (room < 0 || size > 1e8) throw bad(`the header says ${size} bytes, the file has ${file.length}`)
    let header: Record<string, Record<string, unknown>>
    let named: number
    try {
      const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(file.slice(8, start))
      header = JSON.parse(text)
      named = text.match(/"(?:[^"\\]|\\.)*"\s*:?/g)?.filter((word) => word.endsWith(':')).length ?? 0
    } catch {
      throw bad('the header is not JSON')
    }
    if (file[8] !== 123) throw bad('the header is not an object')

    const whole = (list: unknown): list is number[] => Array.isArray(list) && list.every((n) => Number.isSafeInteger(n) && n >= 0)
    const tensors: { name: string; type: string; begin: number; end: number }[] = []
    for (const [name, entry] of Object.entries(header)) {
      if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) throw bad(`${show(name)} is no tensor`)
      named -= 1 + Object.keys(entry).length
      if (name === '__metadata__') continue
      const { dtype, shape, data_offsets: offsets } = entry
      const bits = typeof dtype === 'string' && /^(?:BOOL|(?:B?F|[IUC])(\d+)(?:_\w+)?)$/.exec(dtype)
      if (!bits || !whole(shape) || !whole(offsets) || offsets.length !== 2) throw bad(`${show(name)} is no tensor`)
      const [begin, end] = offsets
      const type = typeOf(dtype, shape)
      if ((end - begin) * 8 !== shape.reduce((n, d) => n * d, Number(bits[1] ?? 8))) {
        throw bad(`tensor ${show(name)} has offsets ${show(offsets)} that do not fit ${show(type)}`)
      }
      tensors.push({ name, type, begin, end })
    }
    // Of a name that is said twice, JSON.parse gives the last one only.
    if (named) throw bad('the header names something twice')
    let at = 0
    for (const { name, begin, end } of tensors.sort((a, b) => a.begin - b.begin || a.end - b.end)) {
      if (begin !== at) throw bad(`tensor ${show(name)} begins at ${begin}, not at ${at}`)
      at = end
    }
    if (at !== room) throw bad(`the tensors have ${at} bytes, the file has ${room}`)

    const found = new Map(tensors.map((t) => [t.name, t]))
    const wanted = new Map(manifest.states.map((s) => [s.name, typeOf(s.dtype, s.shape)]))
    const fits = ({ name }: { name: string }): boolean => found.get(name)?.type === wanted.get(name)
    const taken = manifest.states.filter(fits)
    const kept = manifest.states.filter((s) => !fits(s)).map((s) => s.name)
    const left = tensors.filter((t) => !fits(t)).map(({ name, type }) => ({ name, type }))
    for (const name of strict ? [...kept, ...left.map((t) => t.name)] : []) {
      const [there, here] = [found.get(name)?.type, wanted.get(name)].map((type) => type?.slice(0, 99) ?? 'not')
      throw bad(`tensor ${show(name)} is ${there} in the file, ${here} in this program`)
    }
    for (const { name, dtype } of taken) {
      const { begin, end } = found.get(name)!
      const bytes = bytesOf(state[name])
      bytes.set(file.subarray(start + begin, start + end))
      // Emitted code counts on bools that are 0 or 1.
      if (dtype === 'bool') bytes.forEach((b, i) => (bytes[i] = b && 1))
    }
    return { taken: taken.map((s) => s.name), kept, left, sameProgram: header.__metadata__?.manifest === manifest.hash }
  }
  return { save, restore }
}
