import { parseArgs } from 'node:util'
import { COMMON, commonOf, whole, type Common } from '../command.ts'

/** What the command line asks for. */
export interface Options extends Common {
  readonly steps: number
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
      ...COMMON,
      steps: { type: 'string' },
      short: { type: 'boolean', default: false },
    },
  })
  const steps = whole('steps', values.steps ?? String(values.short ? SHORT : FULL), 1, 1_000_000)
  return { ...commonOf(values), steps }
}
