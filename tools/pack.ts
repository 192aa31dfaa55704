// Gives buffers with known lifetimes their offsets in one memory.   npm run -s pack -- --help
import { parseArgs } from 'node:util'
import { packInto } from '../src/passes/allocate/pack.ts'
import { BadBuffers, buffersFrom } from './buffer-file.ts'
import { isStarted, textOf, Wrong } from './command.ts'

const HELP = `Gives buffers with known lifetimes their offsets in one memory, so that none that live together overlap.

  npm run -s pack -- FILE.csv --capacity N

  FILE.csv        lines under the header id,lower,upper,size (columns in any order): size bytes, in use from lower up to,
                  but not including, upper
  --capacity N    bytes of the memory

Prints the lines in their order under the header id,lower,upper,size,offset.
Exit code 0: packed. 1: they do not fit, or no way was found in about a minute. 2: the file or the command line is wrong.
`
const MOST_BYTES = 64 * 2 ** 20
/** What the search may look at: about a minute. */
const EFFORT = 10e9

interface Output {
  write(text: string): unknown
}

/** Runs the command. Returns its exit code. */
export async function main(args: readonly string[], stdout: Output, stderr: Output, effort: number = EFFORT): Promise<number> {
  try {
    const options = readOptions(args)
    if (!options) {
      stdout.write(HELP)
      return 0
    }
    const { file, capacity } = options
    const buffers = buffersFrom(await textOf(file, MOST_BYTES))
    const intervals = buffers.map(({ lower, upper, size }) => ({ from: lower, to: upper - 1, bytes: size }))
    const made = packInto(intervals, capacity, effort)
    if (made.outcome !== 'found') {
      stderr.write(`pack: ${complaint(made.outcome, made.lowerBound, capacity)}\n`)
      return 1
    }
    const lines = buffers.map((b, i) => `${b.id},${b.lower},${b.upper},${b.size},${made.packing.offsets[i]}\n`)
    stdout.write(`id,lower,upper,size,offset\n${lines.join('')}`)
    return 0
  } catch (error) {
    if (!(error instanceof Wrong) && !(error instanceof BadBuffers)) throw error
    stderr.write(`pack: ${error.message}\n`)
    return 2
  }
}

function complaint(outcome: 'none' | 'stopped', lowerBound: number, capacity: number): string {
  if (lowerBound > capacity) return `${capacity} bytes are too few: ${lowerBound} are in use at one time`
  const used = `at most ${lowerBound} are in use at one time`
  return outcome === 'none'
    ? `${capacity} bytes are too few: ${used}, but no way to place them fits`
    : `no way was found to fit them into ${capacity} bytes, nor a proof that there is none; ${used}`
}

function readOptions(args: readonly string[]): { file: string; capacity: number } | null {
  let parsed
  try {
    parsed = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { capacity: { type: 'string' }, help: { type: 'boolean', default: false } },
    })
  } catch (error) {
    throw new Wrong((error as Error).message)
  }
  const { values: { capacity, help }, positionals } = parsed
  if (help) return null
  if (positionals.length !== 1) throw new Wrong('give one file; --help tells more')
  if (capacity === undefined) throw new Wrong('--capacity is missing: the bytes of the memory')
  if (!/^\d+$/.test(capacity) || !Number.isSafeInteger(Number(capacity))) {
    throw new Wrong(`--capacity ${JSON.stringify(capacity)} is no whole number of bytes from 0 up`)
  }
  return { file: positionals[0], capacity: Number(capacity) }
}

if (isStarted(import.meta.url)) {
  process.exitCode = await main(process.argv.slice(2), process.stdout, process.stderr)
}
