import type { Code, Manifest, Slot } from '../ir/manifest.ts'
import type { TypedArray } from '../ir/types.ts'

/** Makes the error that is thrown for `code`. */
export type Fail = (code: string, problem: string, hint: string) => Error

/** A program that runs: one method a function, over one state. Results that are arrays are live views, good until the next call. */
export interface Running {
  /** Live views of the state, by name: reading is free, writing changes the model. */
  readonly state: Readonly<Record<string, TypedArray>>
  readonly manifest: Manifest
  /** Makes the first values anew. `seed` is a non-negative safe integer. */
  reset(seed?: number): void
  /** All states as a safetensors file. */
  save(): Uint8Array<ArrayBuffer>
  /** Takes all states from a safetensors file; refuses by name before anything is changed. */
  restore(file: Uint8Array): void
}

/**
 * Makes a model of code and manifest. This one function is the whole runtime: an emitted module carries its text,
 * so it uses nothing from outside itself but types and JavaScript's own globals.
 */
export function boot(manifest: Manifest, code: Code, fail: Fail): Running & Record<string, unknown> {
  const { memory, entries } = code
  const ARRAYS = {
    f32: Float32Array, f64: Float64Array, i32: Int32Array, u32: Uint32Array,
    bool: Uint8Array, f16: Uint16Array, bf16: Uint16Array,
  }
  const FORMATS = { f32: 'F32', f64: 'F64', i32: 'I32', u32: 'U32', bool: 'BOOL', f16: 'F16', bf16: 'BF16' }
  const sizeOf = (s: Slot): number => s.shape.reduce((n, d) => n * d, 1)
  const viewOf = (s: Slot): TypedArray => new ARRAYS[s.dtype](memory, s.offset, sizeOf(s))
  // Names are the user's and may be `__proto__`: properties are defined, never assigned into being.
  const define = (object: object, name: string, value: unknown, writable = false): void => {
    Object.defineProperty(object, name, { value, writable, enumerable: true, configurable: false })
  }
  const quote = (name: string): string => JSON.stringify(name)

  // Emitted code counts on bools that are 0 or 1; masks of 255 are common.
  const booleans = (view: TypedArray): void => {
    for (let i = 0; i < view.length; i++) if (view[i] > 1) view[i] = 1
  }

  // Fraction bits and exponent bias of the types that are kept as 16 bits; undefined for all others.
  const HALVES: Partial<Record<string, readonly [number, number]>> = { f16: [10, 15], bf16: [7, 127] }
  const read = (view: TypedArray, dtype: string): number => {
    const half = HALVES[dtype]
    if (!half) return view[0]
    const fraction = half[0]
    const bias = half[1]
    const exponent = (view[0] & 0x7fff) >>> fraction
    const low = view[0] & ((1 << fraction) - 1)
    const sign = view[0] & 0x8000 ? -1 : 1
    if (exponent === 2 * bias + 1) return low ? NaN : sign * Infinity
    return sign * (exponent ? low + 2 ** fraction : low) * 2 ** (Math.max(exponent, 1) - bias - fraction)
  }
  const double = new Float64Array(1)
  const words = new Uint32Array(double.buffer)
  /** Rounds to nearest, ties to even; what is too large becomes an infinity. */
  const write = (view: TypedArray, dtype: string, value: number): void => {
    const half = HALVES[dtype]
    if (!half) {
      view[0] = value
      return
    }
    const fraction = half[0]
    const bias = half[1]
    const infinity = (2 * bias + 1) << fraction
    double[0] = Math.abs(value)
    // Below 2^(1 − bias) the steps stay those of the smallest normal numbers.
    const exponent = Math.max((words[1] >>> 20) - 1023, 1 - bias)
    const steps = double[0] / 2 ** (exponent - fraction)
    const low = Math.floor(steps)
    const up = steps - low > 0.5 || (steps - low === 0.5 && low % 2 === 1) ? 1 : 0
    const bits = exponent > bias ? infinity : Math.min(((exponent + bias - 1) << fraction) + low + up, infinity)
    view[0] = value !== value ? infinity + 2 ** (fraction - 1) : value < 0 || Object.is(value, -0) ? bits + 0x8000 : bits
  }

  const callable = (f: Manifest['functions'][number], run: () => void): ((inputs: object) => object) => {
    const inputs = f.inputs.map((s) => {
      const view = viewOf(s)
      const array = view.constructor.name
      const scalar = s.shape.length === 0
      const wanted = scalar ? `pass a number, or a ${array} of length 1` : `pass a ${array} of length ${view.length}`
      return { name: s.name, dtype: s.dtype, scalar, view, array, wanted }
    })
    const results: Record<string, unknown> = {}
    const scalars: { name: string; view: TypedArray; dtype: string }[] = []
    for (const s of f.results) {
      const scalar = s.shape.length === 0
      if (scalar) scalars.push({ name: s.name, view: viewOf(s), dtype: s.dtype })
      define(results, s.name, scalar ? 0.5 : viewOf(s), scalar)
    }
    // Live results may come back as inputs: they lie where inputs are written, and the first would overwrite the next.
    const apart = (given: Record<string, unknown>): Record<string, unknown> => {
      const copy = {}
      for (const { name } of inputs) {
        const value = given[name]
        define(copy, name, typeof value === 'object' ? (value as TypedArray).slice() : value)
      }
      return copy
    }
    // Nothing here allocates unless it throws, or is given parts of this memory.
    const isInput = (name: string): boolean => {
      for (let i = 0; i < inputs.length; i++) if (inputs[i].name === name) return true
      return false
    }
    const refuse = (given: object): void => {
      for (const name in given) {
        if (!isInput(name)) {
          throw fail(
            'input/unknown',
            `${quote(f.name)} has no input ${quote(name)}`,
            `its inputs are ${inputs.map((x) => quote(x.name)).join(', ') || 'none'}`,
          )
        }
      }
      for (let i = 0; i < inputs.length; i++) {
        const { name, dtype, scalar, view, array, wanted } = inputs[i]
        const value = Object.hasOwn(given, name) ? (given as Record<string, unknown>)[name] : undefined
        if (value === undefined) throw fail('input/missing', `${quote(f.name)} needs input ${quote(name)}`, wanted)
        if (scalar && (typeof value === 'number' || typeof value === 'boolean')) {
          // What the type cannot hold would be changed without a word.
          const x = Number(value)
          const held = dtype === 'i32' ? x === (x | 0) : dtype === 'u32' ? x === x >>> 0 : dtype !== 'bool' || x === 0 || x === 1
          if (!held) {
            throw fail(
              'input/dtype',
              `input ${quote(name)} of ${quote(f.name)} is ${dtype}, given ${x}`,
              `pass a number that ${dtype} can hold`,
            )
          }
          continue
        }
        const tag = ArrayBuffer.isView(value) ? (value as unknown as { [Symbol.toStringTag]: string })[Symbol.toStringTag] : typeof value
        if (tag !== array) throw fail('input/dtype', `input ${quote(name)} of ${quote(f.name)} is ${dtype}, given ${tag}`, wanted)
        const { length } = value as TypedArray
        if (length !== view.length) {
          throw fail('input/length', `input ${quote(name)} of ${quote(f.name)} has ${view.length} elements, given ${length}`, wanted)
        }
      }
    }
    return (all) => {
      refuse(all ?? {})
      let given = all as Record<string, number | boolean | TypedArray>
      for (let i = 0; inputs.length > 1 && i < inputs.length; i++) {
        const value = given[inputs[i].name]
        if (typeof value !== 'object' || value.buffer !== memory) continue
        given = apart(given) as typeof given
        break
      }
      for (let i = 0; i < inputs.length; i++) {
        const value = given[inputs[i].name]
        if (typeof value === 'object') inputs[i].view.set(value)
        else write(inputs[i].view, inputs[i].dtype, Number(value))
        if (inputs[i].dtype === 'bool') booleans(inputs[i].view)
      }
      run()
      for (let i = 0; i < scalars.length; i++) {
        const { name, view, dtype } = scalars[i]
        results[name] = dtype === 'bool' ? view[0] !== 0 : read(view, dtype)
      }
      return results
    }
  }

  const state: Record<string, TypedArray> = {}
  for (const s of manifest.states) define(state, s.name, viewOf(s))
  const model = { state: Object.freeze(state), manifest } as unknown as Running & Record<string, unknown>
  manifest.functions.forEach((f, i) => define(model, f.name, callable(f, entries[i + 1])))

  define(model, 'reset', (seed: number = manifest.seed): void => {
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw fail('option/invalid', `seed ${String(seed)} is not a non-negative integer`, 'reset(0)')
    }
    new Uint8Array(memory, 0, manifest.memory.stateBytes).fill(0)
    new Uint32Array(memory, manifest.keyOffset, 2).set([seed >>> 0, Math.floor(seed / 2 ** 32)])
    entries[0]()
  })

  define(model, 'save', (): Uint8Array<ArrayBuffer> => {
    const header: Record<string, unknown> = {}
    define(header, '__metadata__', { format: 'gradc', program: manifest.name })
    let end = 0
    for (const s of manifest.states) {
      const begin = end
      end += state[s.name].byteLength
      define(header, s.name, { dtype: FORMATS[s.dtype], shape: s.shape, data_offsets: [begin, end] })
    }
    const text = new TextEncoder().encode(JSON.stringify(header))
    // The header is padded with spaces so that the tensors start on a multiple of 8 bytes.
    const start = 8 + Math.ceil(text.length / 8) * 8
    const file = new Uint8Array(start + end).fill(32, 0, start)
    new DataView(file.buffer).setBigUint64(0, BigInt(start - 8), true)
    file.set(text, 8)
    let at = start
    for (const s of manifest.states) {
      const { buffer, byteOffset, byteLength } = state[s.name]
      file.set(new Uint8Array(buffer, byteOffset, byteLength), at)
      at += byteLength
    }
    return file
  })

  define(model, 'restore', (file: Uint8Array): void => {
    const hint = 'nothing was changed; restore() takes what save() of the same program wrote'
    const bad = (problem: string): Error => fail('file/invalid', problem, hint)
    if (!(file instanceof Uint8Array) || file.length < 8) throw bad('this is not a safetensors file')
    const headerBytes = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true))
    if (headerBytes > file.length - 8) throw bad(`the header says ${headerBytes} bytes, the file has ${file.length}`)
    let header: Record<string, { dtype?: unknown; shape?: unknown; data_offsets?: unknown } | undefined>
    try {
      header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(file.subarray(8, 8 + headerBytes)))
    } catch {
      throw bad('the header is not JSON')
    }
    if (header === null || typeof header !== 'object' || Array.isArray(header)) throw bad('the header is not an object')
    for (const name of Object.keys(header)) {
      if (name !== '__metadata__' && !Object.hasOwn(state, name)) throw bad(`the file has a tensor ${quote(name)} that this program has not`)
    }
    const sources = manifest.states.map((s): Uint8Array => {
      const entry = Object.hasOwn(header, s.name) ? header[s.name] : undefined
      if (!entry || typeof entry !== 'object') throw bad(`the file has no tensor ${quote(s.name)}`)
      const stated = `${String(entry.dtype)} ${JSON.stringify(entry.shape)}`
      const wanted = `${FORMATS[s.dtype]} ${JSON.stringify(s.shape)}`
      if (stated !== wanted) throw bad(`tensor ${quote(s.name)} is ${stated} in the file, ${wanted} in this program`)
      const offsets = Array.isArray(entry.data_offsets) ? (entry.data_offsets as unknown[]) : []
      const [begin, end] = offsets.map(Number)
      const fits = offsets.length === 2 && Number.isSafeInteger(begin) && Number.isSafeInteger(end) && begin >= 0
      if (!fits || end > file.length - 8 - headerBytes || end - begin !== state[s.name].byteLength) {
        throw bad(`tensor ${quote(s.name)} has offsets ${JSON.stringify(offsets)} that do not fit`)
      }
      return file.subarray(8 + headerBytes + begin, 8 + headerBytes + end)
    })
    manifest.states.forEach((s, i) => {
      const { buffer, byteOffset, byteLength } = state[s.name]
      new Uint8Array(buffer, byteOffset, byteLength).set(sources[i])
      if (s.dtype === 'bool') booleans(state[s.name])
    })
  })
  return model
}
