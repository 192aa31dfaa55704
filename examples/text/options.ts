import { parseArgs } from 'node:util'
import { COMMON, commonOf, whole, type Common } from '../command.ts'

/** What the command line asks for. */
export interface Options extends Common {
  readonly epochs: number
  /** Whether only a few steps are made. */
  readonly short: boolean
  /** Characters of text to write at the end. */
  readonly sample: number
  /** Of the draws, see `draw`. */
  readonly temperature: number
}

/** Characters that are written if nobody says how many. */
const SAMPLE = 400
const SHORT_SAMPLE = 40

/** What a help text says of its example. */
export interface About {
  readonly name: string
  readonly what: string
  readonly epochs: number
  readonly shortSteps: number
}

export const helpOf = ({ name, what, epochs, shortSteps }: About): string => `${what}

  npm run ${name} -- [options]

  --epochs N       times through the text, 1 to 1000 (default ${epochs})
  --short          ${shortSteps} steps an epoch, one epoch unless said otherwise, a short test, ${SHORT_SAMPLE} characters
  --target T       what to compile to: wasm or js (default wasm)
  --seed N         of the first weights, the order of the text and the draws (default 0)
  --sample N       characters to write at the end, 0 to 100000 (default ${SAMPLE})
  --temperature T  of the draws, above 0 up to 10: low is dull, high is wild (default 0.7)
  --json           progress on stderr, results on stdout as one line of JSON alone
  --help           this text
`

/** Reads the command line. @throws Error that says what is wrong with it */
export function readOptions(args: readonly string[], about: About): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...COMMON,
      epochs: { type: 'string' },
      short: { type: 'boolean', default: false },
      sample: { type: 'string' },
      temperature: { type: 'string', default: '0.7' },
    },
  })
  const { short } = values
  const temperature = /^\d{1,9}(\.\d{1,9})?$/.test(values.temperature) ? Number(values.temperature) : NaN
  if (!(temperature > 0 && temperature <= 10)) {
    throw new Error(`--temperature must be a number above 0 up to 10, not ${JSON.stringify(values.temperature)}`)
  }
  return {
    ...commonOf(values),
    epochs: whole('epochs', values.epochs ?? String(short ? 1 : about.epochs), 1, 1000),
    short,
    sample: whole('sample', values.sample ?? String(short ? SHORT_SAMPLE : SAMPLE), 0, 100_000),
    temperature,
  }
}
