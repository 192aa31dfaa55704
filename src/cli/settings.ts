import { passes } from '../passes/pipeline.ts'
import { Failure } from './failure.ts'

/** What the environment variables GRADC_* say. */
export interface Settings {
  /** GRADC_DEBUG: 0 silent, 1 passes and time, 2 memory plan, 3 graphs before and after, 4 emitted code, 5 rules that fired. */
  readonly debug: number
  /** GRADC_PRINT_AFTER: the pass after which graphs are printed; `*` for all. */
  readonly printAfter: string | null
  /** GRADC_VERIFY: check every graph between passes. */
  readonly verify: boolean
  /** GRADC_SEED: of first values and random inputs. */
  readonly seed: number | null
}

/** Names of the passes that graphs go through, each once. */
export const PASSES: readonly string[] = [...new Set(passes.map((p) => p.name))]

/** Throws a Failure unless `pass` is the name of one, or `*`. */
export function checkPass(pass: string, whose: string): void {
  if (pass === '*' || PASSES.includes(pass)) return
  throw new Failure(`${whose}: there is no pass ${JSON.stringify(pass)}`, `passes are ${PASSES.join(', ')}, or * for all`)
}

/** Reads GRADC_DEBUG, GRADC_PRINT_AFTER, GRADC_VERIFY and GRADC_SEED; empty is not set. Throws a Failure for other values. */
export function settingsOf(env: Readonly<Record<string, string | undefined>>): Settings {
  const { GRADC_DEBUG: debug, GRADC_PRINT_AFTER: printAfter, GRADC_VERIFY: verify, GRADC_SEED: seed } = env
  if (debug && !/^[0-5]$/.test(debug)) {
    throw new Failure(`GRADC_DEBUG is ${JSON.stringify(debug)}`, 'it goes from 0 (silent) to 5 (each rule fired)')
  }
  if (verify && !/^[01]$/.test(verify)) throw new Failure(`GRADC_VERIFY is ${JSON.stringify(verify)}`, 'it is 1, or not set')
  if (seed && !(/^\d+$/.test(seed) && Number.isSafeInteger(Number(seed)))) {
    throw new Failure(`GRADC_SEED is ${JSON.stringify(seed)}`, 'it is a non-negative integer')
  }
  if (printAfter) checkPass(printAfter, 'GRADC_PRINT_AFTER')
  return { debug: Number(debug ?? 0), printAfter: printAfter || null, verify: verify === '1', seed: seed ? Number(seed) : null }
}
