import type { Manifest } from '../ir/manifest.ts'
import { commentText } from './js/comment.ts'

/** A JavaScript string literal, safe in any context: also in a script element and in old parsers. */
export const literal = (text: string): string =>
  JSON.stringify(text).replace(/[\u2028\u2029<]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)

/**
 * Where the WebAssembly of a module is. `inline`: in its text. `url`: in NAME.wasm beside it, fetched by address, or read from the
 * disk in Node. `module`: in NAME.wasm, imported as a compiled WebAssembly.Module, as Cloudflare Workers want it; bundlers
 * that give its bytes instead are fine too.
 */
export type WasmForm = 'inline' | 'url' | 'module'

/** The parts of an emitted ES module. */
export interface ModuleParts {
  readonly manifest: Manifest
  /** Text of a function expression `(manifest, code, fail) => model`: the runtime. */
  readonly boot: string
  /** Text of a function expression `(manifest, state, fail) => { save, restore }`. */
  readonly weights: string
  /** Texts of `crew` and `unshare` of the runtime, if the program was compiled for threads. */
  readonly threads: { readonly crew: string; readonly unshare: string } | null
  /** Compiled code: WebAssembly, or the text of `kernels(memory)`. */
  readonly code: WasmCode | { readonly js: string }
  /** For the JavaScript target; WebAssembly carries them as data segments. */
  readonly constants: readonly { readonly offset: number; readonly bytes: Uint8Array }[]
}

/** Compiled WebAssembly and what it needs. */
export interface WasmCode {
  readonly wasm: Uint8Array
  readonly form: WasmForm
  /** The host functions it imports. */
  readonly imports: readonly { readonly name: string; readonly text: string }[]
  /** Text of the function that relaxes it when it is loaded; null: nothing does. A compiled module stays strict. */
  readonly relax: string | null
}

/**
 * The emitted ES module: self-contained text that exports `manifest` and `load(options)`, with NAME.wasm beside it if
 * its form says so. No eval, no dependency, no top-level await.
 */
export function emitModule(parts: ModuleParts): string {
  const { manifest, boot, weights, threads, code, constants } = parts
  const lines = [
    `/* ${commentText(`${manifest.name}: compiled by gradc ${manifest.gradc} for ${manifest.target}. Do not edit.`)} */`,
    `export const manifest = ${safeJson(manifest)}`,
    `const boot = ${withoutComments(boot)}`,
    `const weights = ${withoutComments(weights)}`,
    'const fail = (code, problem, hint) =>',
    '  Object.assign(new Error(`${code}: ${problem}\\nhint: ${hint}`), { name: "GradcError", code, problem, hint })',
  ]
  if (threads) lines.push(...crewLines(threads, 'wasm' in code ? code.imports : []))
  if ('wasm' in code) lines.push(...wasmLines(manifest, code, threads !== null))
  else {
    if (constants.length) lines.push('const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0))')
    lines.push(`const kernels = ${code.js}`, 'async function start() {', `  const memory = new ArrayBuffer(${manifest.memory.bytes})`)
    for (const c of constants) lines.push(`  new Uint8Array(memory).set(bytes('${base64(c.bytes)}'), ${c.offset})`)
    lines.push(`  return ${threads ? 'team.alone({ memory, entries: kernels(memory) })' : '{ memory, entries: kernels(memory) }'}`, '}')
  }
  lines.push(...(threads ? LOAD_THREADS : LOAD), '')
  return lines.join('\n')
}

const LOAD = [
  '/** A new model, its first values made from the seed. */',
  'export async function load({ seed } = {}) {',
  '  const model = boot(manifest, await start(), fail, weights)',
  '  model.reset(seed)',
  '  return model',
  '}',
]

const LOAD_THREADS = [
  '/** A new model, its first values made from the seed. */',
  'export async function load({ seed, threads } = {}) {',
  '  const code = await start(team.threadsOf(threads))',
  '  const model = boot(manifest, code, fail, weights)',
  '  Object.assign(model, { threads: code.threads, close: code.close }).reset(seed)',
  '  return model',
  '}',
  '/** The same in a worker: methods give promises. */',
  'export const spawn = (options) => team.spawn(options)',
  // Started as a worker, this module serves the one that started it.
  'team.serve(load)',
]

const crewLines = ({ crew, unshare }: { crew: string; unshare: string }, imports: WasmCode['imports']): string[] => [
  `const host = { ${imports.map(({ name, text }) => `${name}: ${text}`).join(', ')} }`,
  `const team = (${withoutComments(crew)})(manifest, host, ${withoutComments(unshare)}, import.meta.url, fail)`,
]

/** Text that defines `start()` for WebAssembly. */
function wasmLines(manifest: Manifest, { wasm, form, imports, relax }: WasmCode, threads: boolean): string[] {
  const host = threads ? '{ m: { ...host, memory } }' : `{ m: { ${imports.map(({ name, text }) => `${name}: ${text}`).join(', ')} } }`
  const file = literal(`./${manifest.name}.wasm`)
  const relaxes = relax !== null && form !== 'module'
  const instantiate = (bytes: string): string[] => threads ? [
    `  return team.start(${relaxes ? `relax(${bytes})` : bytes}, threads)`,
  ] : [
    `  const { instance: { exports } } = await WebAssembly.instantiate(${relaxes ? `relax(${bytes})` : bytes}, ${host})`,
  ]
  const body = {
    inline: [
      // The inverse of `characters`.
      "  const bytes = Uint8Array.from(wasm.match(/[}~]?./g), (c) => (c > '|' ? c.charCodeAt(1) + (c < '~' ? 61 : 154) : c.charCodeAt(0) - 32) - 3)",
      ...instantiate('bytes'),
    ],
    url: [
      `  const url = new URL(${file}, import.meta.url)`,
      // Node cannot fetch files. Nothing is imported, so that bundlers for browsers find nothing to resolve.
      "  const fs = url.protocol === 'file:' && globalThis.process?.getBuiltinModule?.('node:fs/promises')",
      '  const found = fs ? null : await fetch(url)',
      "  if (found && !found.ok) throw fail('file/invalid', `${url} was not found: ${found.status}`, 'NAME.wasm lies beside NAME.js')",
      // A copy: what Node reads is a Buffer, of which slice() gives no copy, and relax needs one.
      '  const bytes = new Uint8Array(await (fs ? fs.readFile(url) : found.arrayBuffer()))',
      ...instantiate('bytes'),
    ],
    module: [
      // Compiled before it is seen: its memory is not shared, and it has one thread.
      ...(threads ? [`  const memory = new WebAssembly.Memory({ initial: ${pagesOf(manifest)}, maximum: ${pagesOf(manifest)} })`] : []),
      `  const made = await WebAssembly.instantiate(wasm, ${host})`,
      '  const { exports } = made.instance ?? made',
      ...(threads ? ['  exports.enter(0, 1)'] : []),
    ],
  }[form]
  const started = `{ memory: exports.memory.buffer, entries: [${entries(manifest, (i) => `exports.f${i}`)}] }`
  return [
    ...(form === 'module' ? [`import wasm from ${file}`] : []),
    ...(form === 'inline' ? [`const wasm = '${characters(wasm)}'`] : []),
    ...(relaxes ? [`const relax = ${withoutComments(relax)}`] : []),
    `async function start(${threads ? 'threads' : ''}) {`,
    ...body,
    ...(threads && form !== 'module' ? [] : [`  return ${threads ? `team.alone(${started})` : started}`]),
    '}',
  ]
}

const pagesOf = (manifest: Manifest): number => Math.ceil(manifest.memory.bytes / 65536)

/** Drops comments that stand on lines of their own, and indentation: they stay at home. */
const withoutComments = (text: string): string => text.replace(/^\s*(?:\/\*\*[\s\S]*?\*\/|\/\/.*)\n/gm, '').replace(/\n[ \t]+/g, '\n')

const entries = (m: Manifest, name: (i: number) => string): string =>
  Array.from({ length: m.functions.length + 1 }, (_, i) => name(i)).join(', ')

/** JSON as a JavaScript expression; `__proto__` keys cannot occur, since names are values in it. */
const safeJson = (value: unknown): string =>
  JSON.stringify(value).replace(/[\u2028\u2029<]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)

/**
 * Bytes as printable ASCII for a string between single quotes: 93 of them, the most frequent in code, are one character, the others
 * have `}` or `~` in front. A byte looks the same wherever it stands, so gzip sees the repeats of the code (docs/decisions/0026).
 */
function characters(bytes: Uint8Array): string {
  const text = Array.from(bytes, (b) => {
    const n = (b + 3) % 256
    return n < 93 ? String.fromCharCode(32 + n) : n < 186 ? `}${String.fromCharCode(n - 61)}` : `~${String.fromCharCode(n - 154)}`
  })
  return text.join('').replace(/[\\'<]/g, (c) => (c === '<' ? '\\x3c' : `\\${c}`))
}

/** RFC 4648 base64, in the host's own words where there is no Buffer. */
function base64(bytes: Uint8Array): string {
  let text = ''
  for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000))
  return btoa(text)
}
