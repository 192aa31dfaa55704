import { parseArgs } from 'node:util'
import { COMMON, commonOf, fileName, whole } from '../command.ts'
import type { Options as MnistOptions } from '../mnist/options.ts'

/** What the command line asks for. */
export interface Options extends MnistOptions {
  /** Whether only a part of the images is used. */
  readonly short: boolean
}

export const HELP: string = `Trains a network with two convolutions to read handwritten digits (MNIST), and tests it.

  npm run mnist-cnn -- [options]

  --epochs N     times through the 60,000 training images, 1 to 1000 (default 1)
  --short        1,920 images to train on and 500 to test on
  --target T     what to compile to: wasm or js (default wasm)
  --seed N       of the first weights and the order of images (default 0)
  --out FILE     where the weights go (default mnist-cnn.safetensors)
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
      out: { type: 'string', default: 'mnist-cnn.safetensors' },
    },
  })
  const epochs = whole('epochs', values.epochs, 1, 1000)
  return { ...commonOf(values), epochs, short: values.short, out: fileName('out', values.out) }
}
