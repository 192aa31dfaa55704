import { parseArgs } from 'node:util'
import { whole } from '../mnist/options.ts'

/** What the command line asks for. */
export interface Options {
  readonly steps: number
  readonly target: 'wasm' | 'js'
  readonly seed: number
  readonly json: boolean
  readonly help: boolean
}

const FULL = 20_000
const SHORT = 2_000

export const HELP: string = `Learns weights from which one step of gradient descent learns a sine wave (MAML).

  npm run sine-maml -- [options]

  --steps N      of meta-training, 1 to 1000000 (default ${FULL})
  --short        ${SHORT} steps
  --target T     what to compile to: wasm or js (default wasm)
  --seed N       of the first weights and the tasks (default 0)
  --json         progress on stderr, results on stdout as one line of JSON alone
  --help         this text
`

/** Reads the command line. @throws Error that says what is wrong with it */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      steps: { type: 'string' },
      short: { type: 'boolean', default: false },
      target: { type: 'string', default: 'wasm' },
      seed: { type: 'string', default: '0' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const { target, json, help, short } = values
  if (target !== 'wasm' && target !== 'js') throw new Error(`--target must be wasm or js, not ${JSON.stringify(target)}`)
  const steps = whole('steps', values.steps ?? String(short ? SHORT : FULL), 1, 1_000_000)
  const seed = whole('seed', values.seed, 0, 2 ** 32 - 1)
  return { steps, target, seed, json, help }
}
