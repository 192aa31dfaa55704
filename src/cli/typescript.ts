import { createRequire, register } from 'node:module'
import { pathToFileURL } from 'node:url'
import { Failure } from './failure.ts'

/** Ends of the names of files that are TypeScript. */
export const isTypeScript = (path: string): boolean => /\.[mc]?ts$/.test(path)

/**
 * Makes Node import TypeScript, without a dependency of ours: Node from 22.18 on does by itself; else by `tsx`, else by
 * `typescript` up to 6, whichever the model's folder has. Throws a Failure if there is none.
 */
export async function enableTypeScript(model: string): Promise<void> {
  if ((process.features as { typescript?: unknown }).typescript) return
  const tsx = found('tsx/esm', model)
  if (tsx) {
    // Registers itself, as with node --import tsx/esm.
    await import(tsx).catch((error: Error) => {
      throw new Failure(`tsx cannot be loaded: ${error.message}`, 'npm install --save-dev tsx', error)
    })
    return
  }
  const typescript = found('typescript', model)
  if (typescript) {
    const { default: api } = (await import(typescript)) as { default?: { transpileModule?: unknown } }
    // TypeScript 7 has no programming interface for this.
    if (typeof api?.transpileModule === 'function') {
      register(new URL('./typescript-hook.js', import.meta.url), { data: { typescript } })
      return
    }
  }
  throw new Failure(
    `${model} is TypeScript, which this version of Node does not run`,
    'npm install --save-dev tsx, or use Node 22.18 or newer',
  )
}

/** The address of a package's file as seen from the model, else from this package. */
function found(name: string, model: string): string | null {
  for (const from of [pathToFileURL(model), import.meta.url]) {
    try {
      return pathToFileURL(createRequire(from).resolve(name)).href
    } catch {
      // Not there: look on.
    }
  }
  return null
}
