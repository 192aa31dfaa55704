import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A text in numbers: characters are positions in the alphabet. */
export interface Corpus {
  /** Characters, the commonest first. The last one stands for all that are not in the list. */
  readonly alphabet: readonly string[]
  readonly training: Int32Array
  readonly validation: Int32Array
}

/** What stands for a character that the alphabet lacks (Unicode's replacement character). */
export const OTHER = '\ufffd'
/** Of each text, one part of this many at its end is kept for validation. */
const PARTS = 10
/** Characters of the alphabet at most. */
const MOST = 128

/**
 * The text that this repository holds: its documentation and the source of gradc, in order of path. It grows with the repository.
 * @throws Error if the repository is not around this file
 */
export async function loadCorpus(): Promise<Corpus> {
  const root = rootOf(fileURLToPath(import.meta.url))
  const nested = await Promise.all(['docs', 'src'].map(async (folder) =>
    (await readdir(join(root, folder), { recursive: true })).map((path) => `${folder}/${path.replaceAll('\\', '/')}`)))
  const paths = ['ARCHITECTURE.md', 'README.md', ...nested.flat()].filter((path) => /\.(md|ts)$/.test(path)).sort()
  return corpusOf(await Promise.all(paths.map((path) => readFile(join(root, path), 'utf8'))))
}

/** The folder of package.json and of the sources: the examples may run from there, or from dist. */
function rootOf(file: string): string {
  let folder = dirname(file)
  while (!(existsSync(join(folder, 'package.json')) && existsSync(join(folder, 'src')))) {
    if (dirname(folder) === folder) throw new Error(`the text is that of the repository, which is not around ${file}`)
    folder = dirname(folder)
  }
  return folder
}

/**
 * Texts as one corpus: the last tenth of each is for validation, the rest for training. The alphabet is that of the training
 * part, its commonest characters; lines end in \n everywhere.
 */
export function corpusOf(texts: readonly string[], most: number = MOST): Corpus {
  const characters = texts.map((text) => [...text.replaceAll('\r\n', '\n')])
  const first = characters.flatMap((text) => text.slice(0, text.length - Math.floor(text.length / PARTS)))
  const rest = characters.flatMap((text) => text.slice(text.length - Math.floor(text.length / PARTS)))
  const counts = new Map<string, number>()
  for (const character of first) counts.set(character, (counts.get(character) ?? 0) + 1)
  // Equally common ones in order of code point, so that the order of the texts does not matter.
  const order = [...counts].sort(([a, n], [b, m]) => m - n || a.codePointAt(0)! - b.codePointAt(0)!)
  const common = order.map(([character]) => character)
  const alphabet = [...common.filter((character) => character !== OTHER).slice(0, most - 1), OTHER]
  return { alphabet, training: encode(alphabet, first), validation: encode(alphabet, rest) }
}

/** The positions of characters in the alphabet; what it lacks becomes its last. */
export function encode(alphabet: readonly string[], text: Iterable<string>): Int32Array<ArrayBuffer> {
  const codes = new Map(alphabet.map((character, code) => [character, code]))
  return Int32Array.from([...text], (character) => codes.get(character) ?? alphabet.length - 1)
}
