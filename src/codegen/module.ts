import type { Manifest, Slot } from '../ir/manifest.ts'
import { showType, sizeOf, type DType } from '../ir/types.ts'
import { commentText } from './js/comment.ts'

/** A JavaScript string literal, safe in any context: also in a script element and in old parsers. */
export const literal = (text: string): string =>
  JSON.stringify(text).replace(/[\u2028\u2029<]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** The parts of an emitted ES module. */
export interface ModuleParts {
  readonly manifest: Manifest
  /** Text of a function expression `(manifest, code, fail) => model`: the runtime. */
  readonly boot: string
  /** Compiled code: WebAssembly with the host functions it imports (name and text) and what
   * relaxes it when it is loaded (null: nothing does), or the text of `kernels(memory)`. */
  readonly code:
    | { readonly wasm: Uint8Array; readonly imports: readonly { name: string; text: string }[]; readonly relax: string | null }
    | { readonly js: string }
  /** For the JavaScript target; WebAssembly carries them as data segments. */
  readonly constants: readonly { readonly offset: number; readonly bytes: Uint8Array }[]
}

/**
 * The emitted ES module: self-contained text that exports `manifest` and `load(options)`. No eval, no dependency,
 * no top-level await.
 */
export function emitModule({ manifest, boot, code, constants }: ModuleParts): string {
  const lines = [
    `/* ${commentText(`${manifest.name}: compiled by gradc ${manifest.gradc} for ${manifest.target}. Do not edit.`)} */`,
    `export const manifest = ${safeJson(manifest)}`,
    `const boot = ${withoutComments(boot)}`,
    'const fail = (code, problem, hint) =>',
    '  Object.assign(new Error(`${code}: ${problem}\\nhint: ${hint}`), { name: "GradcError", code, problem, hint })',
  ]
  if ('wasm' in code) {
    // Hexadecimal, not base64: gzip sees the repeats of the code, and the module is a sixth smaller on the wire.
    lines.push(`const wasm = '${hex(code.wasm)}'`)
    if (code.relax !== null) lines.push(`const relax = ${withoutComments(code.relax)}`)
    const host = code.imports.map(({ name, text }) => `${name}: ${text}`).join(', ')
    lines.push(
      'async function start() {',
      '  const bytes = Uint8Array.from(wasm.match(/../g), (h) => parseInt(h, 16))',
      `  const { instance: { exports } } = await WebAssembly.instantiate(${code.relax === null ? 'bytes' : 'relax(bytes)'}, { m: { ${host} } })`,
      `  return { memory: exports.memory.buffer, entries: [${entries(manifest, (i) => `exports.f${i}`)}] }`,
      '}',
    )
  } else {
    if (constants.length) lines.push('const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0))')
    lines.push(`const kernels = ${code.js}`, 'async function start() {', `  const memory = new ArrayBuffer(${manifest.memory.bytes})`)
    for (const c of constants) lines.push(`  new Uint8Array(memory).set(bytes('${base64(c.bytes)}'), ${c.offset})`)
    lines.push('  return { memory, entries: kernels(memory) }', '}')
  }
  lines.push(
    '/** A new model, its first values made from the seed. */',
    'export async function load({ seed } = {}) {',
    '  const model = boot(manifest, await start(), fail)',
    '  model.reset(seed)',
    '  return model',
    '}',
    '',
  )
  return lines.join('\n')
}

/** Drops comments that stand on lines of their own: they stay at home. */
const withoutComments = (text: string): string => text.replace(/^\s*(?:\/\*\*[\s\S]*?\*\/|\/\/.*)\n/gm, '')

const entries = (m: Manifest, name: (i: number) => string): string =>
  Array.from({ length: m.functions.length + 1 }, (_, i) => name(i)).join(', ')

/** JSON as a JavaScript expression; `__proto__` keys cannot occur, since names are values in it. */
const safeJson = (value: unknown): string =>
  JSON.stringify(value).replace(/[\u2028\u2029<]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)

const hex = (bytes: Uint8Array): string => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('')

/** RFC 4648 base64, in the host's own words where there is no Buffer. */
function base64(bytes: Uint8Array): string {
  let text = ''
  for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000))
  return btoa(text)
}

const ARRAY: { readonly [D in DType]: string } = {
  f32: 'Float32Array', f64: 'Float64Array', i32: 'Int32Array', u32: 'Uint32Array', bool: 'Uint8Array', f16: 'Uint16Array', bf16: 'Uint16Array',
}

/** The `.d.ts` beside an emitted module: inputs and results by name, dtype and length. */
export function emitDeclarations(manifest: Manifest): string {
  const field = (s: Slot, scalar: string): string => {
    const rank0 = s.shape.length === 0
    const length = rank0 ? '' : `, length ${sizeOf(s.shape)}`
    return `    /** ${showType(s)}${length} */\n    readonly ${literal(s.name)}: ${rank0 ? scalar : ARRAY[s.dtype]}`
  }
  const record = (slots: readonly Slot[], scalar: (s: Slot) => string): string =>
    slots.length ? `{\n${slots.map((s) => field(s, scalar(s))).join('\n')}\n  }` : '{}'
  const functions = manifest.functions.map((f) => {
    const results = record(f.results, (s) => (s.dtype === 'bool' ? 'boolean' : 'number'))
    const inputs = record(f.inputs, (s) => `number | boolean | ${ARRAY[s.dtype]}`)
    return `  /** Arrays in the result are live views, good until the next call. */\n  readonly ${literal(f.name)}: (inputs: ${inputs}) => ${results}`
  })
  return `/* ${commentText(`${manifest.name}: compiled by gradc ${manifest.gradc} for ${manifest.target}.`)} */
export interface Model {
${functions.join('\n')}
  /** Live views of the state. */
  readonly state: ${record(manifest.states, (s) => ARRAY[s.dtype]).replace(/: number \| boolean \| /g, ': ')}
  readonly manifest: typeof manifest
  /** Makes the first values anew from a seed. */
  reset(seed?: number): void
  /** All states as a safetensors file. */
  save(): Uint8Array
  /** Takes all states from such a file; refuses by name before anything is changed. */
  restore(file: Uint8Array): void
}
export declare const manifest: {
  readonly gradc: string
  readonly name: string
  readonly target: 'wasm' | 'js'
  readonly seed: number
  readonly memory: { readonly bytes: number; readonly stateBytes: number; readonly constantBytes: number; readonly arenaBytes: number }
}
/** A new model, its first values made from the seed. */
export declare function load(options?: { readonly seed?: number }): Promise<Model>
`
}
