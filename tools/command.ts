// What the command lines of the tools have in common.
import { realpathSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

/** Something about the command line or the file system, told in one line. */
export class Wrong extends Error {}

/** A file's text. @throws Wrong if it cannot be read or has more than `most` bytes */
export async function textOf(file: string, most: number): Promise<string> {
  try {
    const { size } = await stat(file)
    if (size > most) throw new Wrong(`${file} is larger than ${most} bytes`)
    return await readFile(file, 'utf8')
  } catch (error) {
    if (error instanceof Wrong) throw error
    throw new Wrong(`cannot read ${file}: ${(error as Error).message}`)
  }
}

/** Is the module at `url` what Node was started with? */
export const isStarted = (url: string): boolean =>
  process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(url)
