import type { Code, Manifest, Slot } from '../ir/manifest.ts'
import type { TypedArray } from '../ir/types.ts'
import type { Restored, RestoreOptions, weights } from './safetensors.ts'

/** Makes the error that is thrown for `code`. */
export type Fail = (code: string, problem: string, hint: string) => Error

/** A program that runs: one method a function, over one state. Results that are arrays are live views, good until the next call. */
export interface Running {
  /** Live views of the state, by name: reading is free, writing changes the model. */
  readonly state: Readonly<Record<string, TypedArray>>
  readonly manifest: Manifest
  /** Makes the first values anew. `seed` is a non-negative safe integer. */
  reset(seed?: number): void
  /** A copy of all trainable states, one after the other in the manifest's order; a Float64Array if one of them is f64. */
  flat(): Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer>
  /** Sets all trainable states from what {@link flat} gives, or a mean of several. Errors: input/dtype, input/length. */
  setFlat(values: Float32Array | Float64Array): void
  /**
   * All states as a safetensors file: weights, what optimisers keep, step counts, random key; its metadata are
   * `{ format: 'gradc', program, manifest }`, the last being the manifest's hash.
   */
  save(): Uint8Array<ArrayBuffer>
  /**
   * Takes the states from a safetensors file, by name, and says which. A model that goes on from there computes the bits that the saved
   * one would have computed. Errors: file/invalid, option/invalid, before anything is changed.
   */
  restore(file: Uint8Array, options?: RestoreOptions): Restored
}

/**
 * Makes a model of code and manifest. This one function is all of the runtime but files: an emitted module carries its text,
 * so it uses nothing from outside itself but types and JavaScript's own globals. `files` is `weights` of safetensors.ts.
 */
export function boot(
  manifest: Manifest, code: Code, fail: Fail, files: typeof weights,
): Running & Record<string, unknown> {
  const { memory, entries } = code
  const ARRAYS = {
    f32: Float32Array, f64: Float64Array, i32: Int32Array, u32: Uint32Array,
    bool: Uint8Array, f16: Uint16Array, bf16: Uint16Array,
  }
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
  const read = (view: TypedArray, dtype: string, at: number): number => {
    const half = HALVES[dtype]
    const word = view[at]
    if (!half) return word
    const fraction = half[0]
    const bias = half[1]
    const exponent = (word & 0x7fff) >>> fraction
    const low = word & ((1 << fraction) - 1)
    const sign = word & 0x8000 ? -1 : 1
    if (exponent === 2 * bias + 1) return low ? NaN : sign * Infinity
    return sign * (exponent ? low + 2 ** fraction : low) * 2 ** (Math.max(exponent, 1) - bias - fraction)
  }
  const double = new Float64Array(1)
  const words = new Uint32Array(double.buffer)
  /** Rounds to nearest, ties to even; what is too large becomes an infinity. */
  const write = (view: TypedArray, dtype: string, at: number, value: number): void => {
    const half = HALVES[dtype]
    if (!half) {
      view[at] = value
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
    view[at] = value !== value ? infinity + 2 ** (fraction - 1) : value < 0 || Object.is(value, -0) ? bits + 0x8000 : bits
  }

  interface Callable {
    /** Have the arrays that are given the lengths that it takes? */
    readonly fits: (given: object) => boolean
    readonly call: (inputs: object) => object
  }
  const callable = (f: Manifest['functions'][number], run: () => void): Callable => {
    const lengths = (i: number): number[] => manifest.functions.filter((g) => g.name === f.name).map((g) => sizeOf(g.inputs[i]))
    const inputs = f.inputs.map((s, i) => {
      const view = viewOf(s)
      const array = view.constructor.name
      const scalar = s.shape.length === 0
      const wanted = scalar ? `pass a number, or a ${array} of length 1` : `pass a ${array} of length ${[...new Set(lengths(i))].join(' or ')}`
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
    const fits = (given: object): boolean => {
      for (let i = 0; i < inputs.length; i++) {
        const value = (given as Record<string, TypedArray | undefined>)[inputs[i].name]
        if (!inputs[i].scalar && value?.length !== inputs[i].view.length) return false
      }
      return true
    }
    const call = (all: object): object => {
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
        else write(inputs[i].view, inputs[i].dtype, 0, Number(value))
        if (inputs[i].dtype === 'bool') booleans(inputs[i].view)
      }
      run()
      for (let i = 0; i < scalars.length; i++) {
        const { name, view, dtype } = scalars[i]
        results[name] = dtype === 'bool' ? view[0] !== 0 : read(view, dtype, 0)
      }
      return results
    }
    return { fits, call }
  }

  const state: Record<string, TypedArray> = {}
  for (const s of manifest.states) define(state, s.name, viewOf(s))
  const model = { state: Object.freeze(state), manifest } as unknown as Running & Record<string, unknown>
  const callables = manifest.functions.map((f, i) => callable(f, entries[i + 1]))
  for (const { name } of manifest.functions) {
    if (Object.hasOwn(model, name)) continue
    const variants = callables.filter((_, i) => manifest.functions[i].name === name)
    const choose = (given: object): object => {
      for (let i = 1; i < variants.length; i++) if (variants[i].fits(given ?? {})) return variants[i].call(given)
      // The first one also says what is wrong where none fits.
      return variants[0].call(given)
    }
    define(model, name, variants.length > 1 ? choose : variants[0].call)
  }

  const trained = manifest.states.filter((s) => s.trainable)
  const total = trained.reduce((n, s) => n + sizeOf(s), 0)
  define(model, 'flat', (): Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer> => {
    const values = new (trained.some((s) => s.dtype === 'f64') ? Float64Array : Float32Array)(total)
    let at = 0
    for (const { name, dtype } of trained) for (let i = 0; i < state[name].length; i++) values[at++] = read(state[name], dtype, i)
    return values
  })
  define(model, 'setFlat', (values: Float32Array | Float64Array): void => {
    const hint = `pass a Float32Array or Float64Array of length ${total}`
    const tag = ArrayBuffer.isView(values) ? values[Symbol.toStringTag] : typeof values
    if (!/^Float(32|64)Array$/.test(tag)) throw fail('input/dtype', `setFlat was given ${tag}`, hint)
    if (values.length !== total) throw fail('input/length', `the trainable states have ${total} elements, given ${values.length}`, hint)
    let at = 0
    for (const { name, dtype } of trained) for (let i = 0; i < state[name].length; i++) write(state[name], dtype, i, values[at++])
  })

  define(model, 'reset', (seed: number = manifest.seed): void => {
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw fail('option/invalid', `seed ${String(seed)} is not a non-negative integer`, 'reset(0)')
    }
    code.check?.()
    new Uint8Array(memory, 0, manifest.memory.stateBytes).fill(0)
    new Uint32Array(memory, manifest.keyOffset, 2).set([seed >>> 0, Math.floor(seed / 2 ** 32)])
    entries[0]()
  })

  const { save, restore } = files(manifest, state, fail)
  define(model, 'save', save)
  define(model, 'restore', restore)
  return model
}
