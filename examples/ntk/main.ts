// The tangent kernel of a net, against its limit of infinite width; and training, against regression with that kernel.
//   npm run ntk -- --help
import { start, type Surroundings } from '../command.ts'
import { measure, type Measured } from './measure.ts'
import { HELP, readOptions } from './options.ts'

/** Both widths. */
export interface Results {
  readonly narrow: Measured
  readonly wide: Measured
  readonly steps: number
  readonly compileMs: number
}

/** Runs the example. @throws Error if the options are wrong */
export async function main(args: readonly string[], { stdout, stderr }: Omit<Surroundings, 'env'>): Promise<void> {
  const options = readOptions(args)
  if (options.help) return void stdout.write(HELP)
  const progress = options.json ? stderr : stdout
  const widths = { narrow: Math.floor(options.width / 16), wide: options.width }
  let compileMs = 0
  const measured: Record<string, Measured> = {}
  for (const [name, width] of Object.entries(widths)) {
    const one = await measure(width, options)
    const m = one.measured
    compileMs += one.compileMs / 2
    measured[name] = m
    const eigenvalues = `${m.leastEigenvalue.toExponential(2)} to ${m.largestEigenvalue.toFixed(2)}`
    const losses = `${m.firstLoss.toFixed(3)} to ${m.lastLoss.toExponential(2)}`
    const indent = ' '.repeat(13)
    const outputs = `moved by up to ${m.moved.toFixed(3)}, to ${m.gap.toFixed(4)} of what was foretold`
    progress.write(`width ${String(width).padStart(5)}  kernel ${percent(m.kernelError)} from its limit, `)
    progress.write(`eigenvalues ${eigenvalues}\n${indent}loss ${losses}; outputs ${outputs}\n`)
  }
  const { narrow, wide } = measured
  const results: Results = { narrow, wide, steps: options.steps, compileMs: Number(compileMs.toFixed(3)) }
  stdout.write(`${JSON.stringify(results)}\n`)
}

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`

await start(import.meta.url, 'ntk', main)
