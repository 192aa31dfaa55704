import { stat } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { showValue } from '../ir/arguments.ts'
import { Program } from '../api/program.ts'
import { VERSION } from '../api/version.ts'
import type { Call } from './command.ts'
import { debug } from './debug.ts'
import { Failure } from './failure.ts'
import { enableTypeScript, isTypeScript } from './typescript.ts'

const EXPORT = 'export default compile({ train: fn(...).minimize(...), predict: fn(...) })'

/**
 * The program that a model file exports, under the settings: with GRADC_SEED as its seed, and with all that GRADC_DEBUG and its
 * like ask for written to stderr. Throws a Failure that says what is wrong with the file.
 */
export async function openModel(call: Call): Promise<Program> {
  const { words: [path], cwd, settings } = call
  const file = resolve(cwd, path)
  await checkFile(file, path)
  if (isTypeScript(file)) await enableTypeScript(file)
  let module: Record<string, unknown>
  try {
    module = (await import(pathToFileURL(file).href)) as Record<string, unknown>
  } catch (error) {
    throw refusal(path, file, error)
  }
  const found = programOf(path, module)
  const { compiled } = found
  const seeded = settings.seed === null ? compiled : { ...compiled, manifest: { ...compiled.manifest, seed: settings.seed } }
  debug(seeded, call)
  // The file may have its own copy of gradc: from here on it is ours.
  return new Program(seeded)
}

async function checkFile(file: string, path: string): Promise<void> {
  const about = await stat(file).catch((error: NodeJS.ErrnoException) => {
    throw new Failure(error.code === 'ENOENT' ? `there is no file ${path}` : `${path} cannot be read: ${error.code}`, '', error)
  })
  if (about.isDirectory()) throw new Failure(`${path} is a folder, not a model file`, `name the file in it that has ${EXPORT}`)
  if (!/\.[mc]?[jt]s$/.test(path)) {
    throw new Failure(`${path} is no JavaScript or TypeScript file`, 'a model file ends in .js, .mjs, .ts or .mts')
  }
}

function programOf(path: string, module: Record<string, unknown>): Program {
  const [name, found] = module.default === undefined ? ['program', module.program] : ['default', module.default]
  if (isProgram(found)) {
    const { gradc } = found.manifest
    if (gradc === VERSION) return found
    throw new Failure(
      `${path} uses gradc ${gradc}, this command is gradc ${VERSION}`,
      `run the one beside it: npx gradc in the folder of ${basename(path)}`,
    )
  }
  if (found === undefined) {
    const others = Object.keys(module).join(', ')
    throw new Failure(`${path} exports no program${others ? `, only ${others}` : ''}`, EXPORT)
  }
  const hint = typeof found === 'object' && found !== null && 'graph' in found
    ? 'that is a function: compile it, export default compile({ train })'
    : found instanceof Promise ? 'that is a promise: export default await ...' : EXPORT
  throw new Failure(`the export ${JSON.stringify(name)} of ${path} is ${showValue(found)}, not a program`, hint)
}

/** Told by its looks: the file may have its own copy of gradc. */
function isProgram(value: unknown): value is Program {
  try {
    const { compiled, manifest } = value as Partial<Program>
    return Array.isArray(compiled?.declared) && typeof manifest?.gradc === 'string'
  } catch {
    return false
  }
}

/** What a file threw while it was imported, told without the inner life of gradc and Node. */
function refusal(path: string, file: string, error: unknown): unknown {
  if (!(error instanceof Error)) return new Failure(`${path} threw ${showValue(error)}`)
  if (error.name === 'InternalError') return error
  if (error.name === 'GradcError') return new Failure(`${path} was refused\n${error.message}`, '', error)
  const missing = (error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND' && /package 'gradc'/.test(error.message)
  if (missing) return new Failure(`${path} imports gradc, which is not installed there`, 'npm install gradc', error)
  const ours = new URL('..', import.meta.url).href
  const own = (error.stack ?? '').split('\n')
    .filter((line) => /^\s+at .*file:\/\//.test(line) && !line.includes('node:') && !line.includes(ours))
    .map((line) => line.replace(/file:\/\/[^\s)]*?(?=:\d+:\d+)/, (url) => shown(url, file)))
  return new Failure([`${path} threw ${error.name}: ${error.message}`, ...own.slice(0, 6)].join('\n'), '', error)
}

const shown = (url: string, file: string): string => (fileURLToPath(url) === file ? basename(file) : fileURLToPath(url))
