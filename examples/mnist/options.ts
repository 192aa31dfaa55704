import { parseArgs } from 'node:util'
import { COMMON, commonOf, fileName, whole, type Common } from '../command.ts'

/** What the command line asks for. */
export interface Options extends Common {
  readonly epochs: number
  /** File that the weights are written to. */
  readonly out: string
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
      ...COMMON,
      epochs: { type: 'string', default: '5' },
      out: { type: 'string', default: 'mnist.safetensors' },
    },
  })
  return { ...commonOf(values), epochs: whole('epochs', values.epochs, 1, 1000), out: fileName('out', values.out) }
}
