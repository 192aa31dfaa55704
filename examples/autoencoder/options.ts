import { parseArgs } from 'node:util'
import { COMMON, commonOf, fileName, whole, type Common } from '../command.ts'

/** What the command line asks for. */
export interface Options extends Common {
  readonly epochs: number
  /** Training images of an epoch, from the first on. */
  readonly images: number
  /** File for a picture of some images and their reconstructions. */
  readonly picture: string | null
}

const FULL = 60_000
const SHORT = 12_800

export const HELP: string = `Squeezes handwritten digits (MNIST) through 32 numbers and draws them again.

  npm run autoencoder -- [options]

  --epochs N     times through the training images, 1 to 1000 (default 1)
  --short        only the first ${SHORT} images
  --target T     what to compile to: wasm or js (default wasm)
  --seed N       of the first weights and the order of images (default 0)
  --picture FILE ten test images and their reconstructions, as PGM
  --json         progress on stderr, results on stdout as one line of JSON alone
  --help         this text
`

/** Reads the command line. @throws Error that says what is wrong with it */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...COMMON,
      epochs: { type: 'string', default: '1' },
      short: { type: 'boolean', default: false },
      picture: { type: 'string' },
    },
  })
  const { picture, short } = values
  const epochs = whole('epochs', values.epochs, 1, 1000)
  return { ...commonOf(values), epochs, images: short ? SHORT : FULL, picture: picture === undefined ? null : fileName('picture', picture) }
}
