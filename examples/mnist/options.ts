import { parseArgs } from 'node:util'

/** What the command line asks for. */
export interface Options {
  readonly epochs: number
  readonly target: 'wasm' | 'js'
  readonly seed: number
  /** File that the weights are written to. */
  readonly out: string
  readonly json: boolean
  readonly help: boolean
}

export const HELP: string = `Trains a network to read handwritten digits (MNIST), and tests it.

  npm run mnist -- [options]

  --epochs N     times through the 60,000 training images, 1 to 1000 (default 5)
  --target T     what to compile to: wasm or js (default wasm)
  --seed N       of the first weights and the order of images (default 0)
  --out FILE     where the weights go (default mnist.safetensors)
  --json         results as one line of JSON on stdout, progress on stderr
  --help         this text
`

/** Reads the command line. @throws Error that says what is wrong with it */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      epochs: { type: 'string', default: '5' },
      target: { type: 'string', default: 'wasm' },
      seed: { type: 'string', default: '0' },
      out: { type: 'string', default: 'mnist.safetensors' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const { target, out, json, help } = values
  if (target !== 'wasm' && target !== 'js') throw new Error(`--target must be wasm or js, not ${JSON.stringify(target)}`)
  if (out === '') throw new Error('--out needs a file name')
  const epochs = whole('epochs', values.epochs, 1, 1000)
  const seed = whole('seed', values.seed, 0, 2 ** 32 - 1)
  return { epochs, target, seed, out, json, help }
}

/** A whole number in a range from an option's text. @throws Error that says what is wrong with it */
export function whole(name: string, text: string, least: number, most: number): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : NaN
  if (!(value >= least && value <= most)) {
    throw new Error(`--${name} must be a whole number from ${least} to ${most}, not ${JSON.stringify(text)}`)
  }
  return value
}
