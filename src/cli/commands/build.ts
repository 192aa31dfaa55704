import { mkdir, readFile, stat } from 'node:fs/promises'
import { relative, resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import { compile, type CompileOptions } from '../../api/compile.ts'
import type { Compiled } from '../../api/compiled.ts'
import type { WasmForm } from '../../codegen/module.ts'
import { Program } from '../../api/program.ts'
import type { Command } from '../command.ts'
import { Failure } from '../failure.ts'
import { openModel } from '../model-file.ts'
import { columns, grouped } from '../terminal.ts'

const FORMS: readonly unknown[] = ['inline', 'url', 'module']
const TARGETS: readonly unknown[] = ['wasm', 'js']

/** `gradc build`: writes the module of a program. */
export const build: Command = {
  usage: 'build MODEL -o DIR',
  summary: 'writes NAME.js, NAME.d.ts and NAME.json, which need nothing else',
  help: `  -o, --out DIR    where to; made if it is not there
  --name NAME      of the files; default: as compile(..., { name }) says
  --target T       wasm or js; default: as compile says
  --threads N      most threads that may run it, 1 to 16; default: as compile says
  --wasm FORM      inline: inside NAME.js (default); url: NAME.wasm, fetched by address;
                   module: NAME.wasm, imported as a WebAssembly.Module (Cloudflare Workers)
  --json           paths and sizes as JSON`,
  options: {
    out: { type: 'string', short: 'o' }, name: { type: 'string' }, target: { type: 'string' }, wasm: { type: 'string' },
    threads: { type: 'string' },
    json: { type: 'boolean' },
  },
  run: async (call) => {
    const { options, cwd, stdout, words: [path] } = call
    const { out, name, target, wasm = 'inline', threads: asked } = options
    const threads = asked === undefined ? undefined : Number(asked)
    if (typeof out !== 'string' || !out) throw new Failure('build needs a folder to write to', `gradc build ${path} -o dist`)
    if (!FORMS.includes(wasm)) throw new Failure(`--wasm is ${JSON.stringify(wasm)}`, 'inline, url or module')
    if (target !== undefined && !TARGETS.includes(target)) {
      throw new Failure(`--target is ${JSON.stringify(target)}`, 'wasm or js')
    }
    const model = await openModel(call)
    const program = target === undefined && name === undefined && threads === undefined ? model : again(model.compiled, { target, name, threads } as never)
    if (program.manifest.target === 'js' && wasm !== 'inline') {
      throw new Failure(`--wasm ${wasm} needs WebAssembly, the target is js`, '--target wasm')
    }
    const folder = resolve(cwd, out)
    await checkFolder(folder, out)
    const paths = await program.write(folder, { wasm: wasm as WasmForm })
    const files = await Promise.all(paths.map(async (file) => {
      const content = await readFile(file)
      return { path: relative(cwd, file), bytes: content.length, gzipBytes: gzipSync(content, { level: 9 }).length }
    }))
    const rows = files.map((f) => [f.path, grouped(f.bytes), grouped(f.gzipBytes)])
    if (options.json) stdout.write(`${JSON.stringify({ files, memory: program.manifest.memory })}\n`)
    else stdout.write(columns([['file', 'bytes', 'gzip'], ...rows], [1, 2]))
    return 0
  },
}

/** The same functions, compiled otherwise. */
function again({ functions, options, manifest }: Compiled, changed: Pick<CompileOptions, 'target' | 'name' | 'threads'>): Program {
  const given = Object.fromEntries(Object.entries(changed).filter(([, value]) => value !== undefined))
  return compile(functions, { ...options, seed: manifest.seed, ...given }) as unknown as Program
}

async function checkFolder(folder: string, shown: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true })
    if (!(await stat(folder)).isDirectory()) throw new Failure(`${shown} is not a folder`)
  } catch (error) {
    if (error instanceof Failure) throw error
    throw new Failure(`${shown} cannot be written to: ${(error as NodeJS.ErrnoException).code}`, '', error)
  }
}
