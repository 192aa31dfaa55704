// Runs in the thread of Node's module hooks: imports of .ts files go through TypeScript's transpileModule.
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

interface Diagnostic {
  readonly messageText: string | { readonly messageText: string }
  readonly start?: number
}
interface TypeScript {
  readonly ModuleKind: { readonly ESNext: number }
  readonly ScriptTarget: { readonly ES2022: number }
  transpileModule(text: string, options: object): { outputText: string; diagnostics?: readonly Diagnostic[] }
}
interface Resolved {
  readonly url: string
}

let typescript: TypeScript

/** Called by Node with what `register` was given. */
export async function initialize(given: { readonly typescript: string }): Promise<void> {
  typescript = ((await import(given.typescript)) as { default: TypeScript }).default
}

/** In TypeScript, './layers.js' may mean layers.ts. */
export async function resolve(
  specifier: string, context: { readonly parentURL?: string }, next: (specifier: string, context: object) => Promise<Resolved>,
): Promise<Resolved> {
  const { parentURL } = context
  if (parentURL && /\.[mc]?ts$/.test(parentURL) && /^\.{1,2}\/.*\.[mc]?js$/.test(specifier)) {
    const source = specifier.replace(/js$/, 'ts')
    const exists = (path: string): boolean => existsSync(fileURLToPath(new URL(path, parentURL)))
    if (!exists(specifier) && exists(source)) return next(source, context)
  }
  return next(specifier, context)
}

/** Gives TypeScript as the JavaScript that it is without its types. */
export async function load(
  url: string, context: object, next: (url: string, context: object) => Promise<object>,
): Promise<object> {
  if (!/^file:.*\.[mc]?ts$/.test(url)) return next(url, context)
  const text = await readFile(new URL(url), 'utf8')
  const fileName = fileURLToPath(url)
  const { ModuleKind, ScriptTarget } = typescript
  const compilerOptions = {
    module: ModuleKind.ESNext, target: ScriptTarget.ES2022, verbatimModuleSyntax: true, inlineSourceMap: true,
  }
  const { outputText, diagnostics = [] } = typescript.transpileModule(text, { compilerOptions, fileName, reportDiagnostics: true })
  for (const { messageText, start = 0 } of diagnostics) {
    const line = text.slice(0, start).split('\n').length
    throw new SyntaxError(`${fileName}:${line}: ${typeof messageText === 'string' ? messageText : messageText.messageText}`)
  }
  return { format: 'module', source: outputText, shortCircuit: true }
}
