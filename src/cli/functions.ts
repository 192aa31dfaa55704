import type { Program } from '../api/program.ts'
import { Failure } from './failure.ts'

/** Positions of the functions that are meant: all, or those of a name, which may be one of several lengths: `predict[1]`. */
export function chosen({ manifest, compiled }: Program, name: unknown): number[] {
  const all = compiled.declared.map((_, i) => i)
  if (name === undefined) return all
  const found = all.filter((i) => manifest.functions[i].name === name || compiled.declared[i].name === name)
  if (!found.length) {
    throw new Failure(
      `there is no function ${JSON.stringify(name)}`,
      `functions are ${compiled.declared.map((g) => g.name).join(', ')}`,
    )
  }
  return found
}

/** The whole number that an option says, at least `low`; `usual` without it. */
export function countOf(value: unknown, option: string, low: number, usual: number): number {
  if (value === undefined) return usual
  const n = Number(value)
  if (/^\d+$/.test(String(value)) && Number.isSafeInteger(n) && n >= low) return n
  throw new Failure(`--${option} is ${JSON.stringify(value)}`, `it is a whole number from ${low} on`)
}
