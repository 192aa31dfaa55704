import { checkOptions, showValue } from '../ir/arguments.ts'
import { emitDeclarations } from '../codegen/declarations.ts'
import { emitModule, type WasmForm } from '../codegen/module.ts'
import { GradcError } from '../ir/errors.ts'
import { boot } from '../runtime/boot.ts'
import { crew } from '../runtime/crew.ts'
import { hostText } from '../runtime/load.ts'
import { relax } from '../runtime/relax.ts'
import { weights } from '../runtime/safetensors.ts'
import { unshare } from '../runtime/unshare.ts'
import type { Compiled } from './compiled.ts'

/** How to write a module. */
export interface EmitOptions {
  /**
   * Where the WebAssembly is: `inline` (default) in NAME.js; `url` in NAME.wasm beside it, fetched by address (read from the
   * disk in Node); `module` in NAME.wasm, imported as a WebAssembly.Module, as Cloudflare Workers want it (such a module is
   * compiled before gradc sees it, and stays strict under `arithmetic: 'relaxed'`). For the target wasm only.
   */
  readonly wasm?: WasmForm
  /** What to write, if it is not what the program was compiled to: it is compiled once more. */
  readonly target?: 'wasm' | 'js'
}

/** The emitted files. */
export interface Emitted {
  /** ES module: code, runtime and manifest, without dependency. */
  readonly js: string
  /** Its types. */
  readonly dts: string
  /** The manifest as JSON. */
  readonly json: string
  /** What NAME.wasm holds; null if there is none. */
  readonly wasm: Uint8Array<ArrayBuffer> | null
}

const FORMS: readonly unknown[] = ['inline', 'url', 'module']

/** The module's files. Errors: option/invalid. */
export function emit(compiled: Compiled, options: EmitOptions = {}): Emitted {
  checkOptions('emit', options, ['wasm', 'target'])
  const { wasm: form = 'inline', target = compiled.manifest.target } = options
  const { manifest, code, constants, relaxed } = target === compiled.manifest.target ? compiled : compiled.again({ target })
  if (!FORMS.includes(form)) {
    throw new GradcError('option/invalid', `wasm ${showValue(form)} is not known`, { hint: "wasm: 'inline', 'url' or 'module'" })
  }
  const threads = manifest.threads ? { crew: crew.toString(), unshare: unshare.toString() } : null
  const runtime = { boot: boot.toString(), weights: weights.toString(), threads }
  const text = { dts: emitDeclarations(manifest), json: `${JSON.stringify(manifest, null, 2)}\n` }
  if (!('bytes' in code)) {
    if (form !== 'inline') {
      throw new GradcError('option/invalid', `wasm ${showValue(form)} needs WebAssembly, the target is js`, {
        hint: "compile({ ... }, { target: 'wasm' })",
      })
    }
    return { ...text, js: emitModule({ manifest, ...runtime, code, constants }), wasm: null }
  }
  const imports = code.imports.map((name) => ({ name, text: hostText(name) }))
  // A host that compiles it gives it no memory that is shared.
  const bytes = threads && form === 'module' ? unshare(code.bytes) : code.bytes
  const parts = { wasm: bytes, form, imports, relax: relaxed ? relax.toString() : null }
  const js = emitModule({ manifest, ...runtime, code: parts, constants })
  return { ...text, js, wasm: form === 'inline' ? null : bytes }
}

/** Writes NAME.js, NAME.d.ts, NAME.json and, unless it is inline, NAME.wasm; makes the folder. Gives their paths. */
export async function write(compiled: Compiled, folder: string, options: EmitOptions = {}): Promise<string[]> {
  if (typeof folder !== 'string' || folder === '') {
    throw new GradcError('option/invalid', `a program cannot be written to ${showValue(folder)}`, {
      hint: "program.write('dist/mnist')",
    })
  }
  const { js, dts, json, wasm } = emit(compiled, options)
  const { mkdir, writeFile } = await import('node:fs/promises')
  const { join } = await import('node:path')
  await mkdir(folder, { recursive: true })
  const files = Object.entries({ js, 'd.ts': dts, json, ...(wasm && { wasm }) })
    .map(([ending, content]) => ({ path: join(folder, `${compiled.manifest.name}.${ending}`), content }))
  await Promise.all(files.map(({ path, content }) => writeFile(path, content)))
  return files.map(({ path }) => path)
}
