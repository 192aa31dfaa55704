import { parseArgs } from 'node:util'
import { whole } from '../mnist/options.ts'

/** What the command line asks for. */
export interface Options {
  readonly epochs: number
  /** Training images of an epoch, from the first on. */
  readonly images: number
  readonly target: 'wasm' | 'js'
  readonly seed: number
  /** File for a picture of some images and their reconstructions. */
  readonly picture: string | null
  readonly json: boolean
  readonly help: boolean
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
      epochs: { type: 'string', default: '1' },
      short: { type: 'boolean', default: false },
      target: { type: 'string', default: 'wasm' },
      seed: { type: 'string', default: '0' },
      picture: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const { target, picture, json, help, short } = values
  if (target !== 'wasm' && target !== 'js') throw new Error(`--target must be wasm or js, not ${JSON.stringify(target)}`)
  if (picture === '') throw new Error('--picture needs a file name')
  const epochs = whole('epochs', values.epochs, 1, 1000)
  const seed = whole('seed', values.seed, 0, 2 ** 32 - 1)
  return { epochs, images: short ? SHORT : FULL, target, seed, picture: picture ?? null, json, help }
}
