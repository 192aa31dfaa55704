import { parseArgs } from 'node:util'
import { COMMON, commonOf, whole, type Common } from '../command.ts'

/** What the command line asks for. */
export interface Options extends Common {
  /** Hidden units of the widest net; the narrow one has a sixteenth. */
  readonly width: number
  readonly steps: number
}

const FULL = { width: 2048, steps: 500 }
const SHORT = { width: 512, steps: 200 }

export const HELP: string = `Neural tangent kernels: a net that is wide enough trains as its kernel foretells.

  npm run ntk -- [options]

  --width N      hidden units of the wide net, 16 to 65536 (default ${FULL.width}); the narrow one has a sixteenth
  --steps N      of gradient descent, 1 to 1000000 (default ${FULL.steps})
  --short        width ${SHORT.width}, ${SHORT.steps} steps
  --target T     what to compile to: wasm or js (default wasm)
  --seed N       of the first weights (default 0)
  --json         progress on stderr, results on stdout as one line of JSON alone
  --help         this text
`

/** Reads the command line. @throws Error that says what is wrong with it */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...COMMON,
      width: { type: 'string' },
      steps: { type: 'string' },
      short: { type: 'boolean', default: false },
    },
  })
  const usual = values.short ? SHORT : FULL
  const width = whole('width', values.width ?? String(usual.width), 16, 65_536)
  const steps = whole('steps', values.steps ?? String(usual.steps), 1, 1_000_000)
  return { ...commonOf(values), width, steps }
}
