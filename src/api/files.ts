import { showValue } from '../ir/arguments.ts'
import { GradcError } from '../ir/errors.ts'
import type { Restored, RestoreOptions } from '../runtime/safetensors.ts'

/** What has weights to keep: a model of gradc, or of a module that it wrote. */
export interface Saving {
  save(): Uint8Array
}

/** What takes weights: a model of gradc, or of a module that it wrote. */
export interface Restoring<R = Restored> {
  restore(file: Uint8Array, options?: RestoreOptions): R
}

/** A temporary file that nobody has written to for so long (milliseconds) was left by a process that was killed. */
const STALE_MS = 3_600_000

/**
 * Saves a model to a safetensors file (Node). The file is as the model was when this was called, and it is complete or the old one:
 * a temporary file in the same folder is written, synced and renamed, so that a crash, a full disk or a kill at any moment
 * leaves the old or the new one. Later saves remove what killed ones have left.
 * Errors: option/invalid, file/invalid (no such folder, no permission, no room).
 */
export async function saveFile(model: Saving, path: string): Promise<void> {
  checkPath('saveFile', path)
  if (typeof model?.save !== 'function') {
    throw new GradcError('option/invalid', `${showValue(model)} has no weights to save`, { hint: 'saveFile(await program.load(), path)' })
  }
  await writeWhole(path, model.save())
}

/**
 * Restores a model from a safetensors file (Node), as `model.restore` does; tells what was taken.
 * Errors: option/invalid, file/invalid (also if it cannot be read), before anything is changed.
 */
export async function loadFile<R>(model: Restoring<R>, path: string, options?: RestoreOptions): Promise<R> {
  checkPath('loadFile', path)
  if (typeof model?.restore !== 'function') {
    throw new GradcError('option/invalid', `${showValue(model)} takes no weights`, { hint: 'loadFile(await program.load(), path)' })
  }
  const { readFile } = await import('node:fs/promises')
  const file = await readFile(path).catch((cause: Error) => {
    throw new GradcError('file/invalid', `${showValue(path)} cannot be read: ${cause.message}`, { hint: 'nothing was changed', cause })
  })
  return model.restore(file, options)
}

function checkPath(whose: string, path: unknown): void {
  if (typeof path === 'string' && path !== '') return
  throw new GradcError('option/invalid', `${whose} was given ${showValue(path)}, which is no path`, { hint: `${whose}(model, 'net.safetensors')` })
}

/** Replaces a file by another in one step. Errors: file/invalid. */
export async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  const { randomUUID } = await import('node:crypto')
  const { open, realpath, rename, rm, stat } = await import('node:fs/promises')
  const { basename, dirname, join } = await import('node:path')
  let temporary = ''
  try {
    // A link stays one: what it leads to is replaced.
    const target = await realpath(path).catch(() => path)
    const folder = dirname(target)
    await sweep(folder, basename(target))
    const old = await stat(target).catch(() => null)
    const name = join(folder, `${prefixOf(basename(target))}${randomUUID()}.tmp`)
    const file = await open(name, 'wx')
    temporary = name
    try {
      await file.writeFile(bytes)
      if (old) await file.chmod(old.mode & 0o7777)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, target)
    temporary = ''
    // The new name is on the disk once the folder is. Windows opens no folders, and keeps names by itself.
    const entry = await open(folder, 'r').catch(() => null)
    await entry?.sync().catch(() => {})
    await entry?.close()
  } catch (cause) {
    if (temporary) await rm(temporary, { force: true }).catch(() => {})
    throw new GradcError('file/invalid', `${showValue(path)} cannot be written: ${(cause as Error).message}`, {
      hint: 'an old file there is as it was', cause,
    })
  }
}

const prefixOf = (name: string): string => `.${name}.`

/** Removes what killed processes have left of the file `name`; whatever goes wrong here is no matter. */
async function sweep(folder: string, name: string): Promise<void> {
  const { readdir, rm, stat } = await import('node:fs/promises')
  const { join } = await import('node:path')
  for (const entry of await readdir(folder).catch(() => [])) {
    if (!entry.startsWith(prefixOf(name)) || !/^[\da-f-]{36}\.tmp$/.test(entry.slice(prefixOf(name).length))) continue
    const path = join(folder, entry)
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Infinity }))
    if (Date.now() - mtimeMs > STALE_MS) await rm(path, { force: true }).catch(() => {})
  }
}
