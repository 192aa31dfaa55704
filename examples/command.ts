// What the command lines of all examples have in common.
import { realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Output } from './mnist/progress.ts'

/** Where an example writes to, and the environment that says how: `process` is one. */
export interface Surroundings {
  readonly stdout: Output
  readonly stderr: Output
  readonly env: Readonly<Record<string, string | undefined>>
}

/** What every example can be told. */
export interface Common {
  readonly target: 'wasm' | 'js'
  readonly seed: number
  readonly json: boolean
  readonly help: boolean
}

/** The same for `parseArgs` of node:util. */
export const COMMON = {
  target: { type: 'string', default: 'wasm' },
  seed: { type: 'string', default: '0' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const

/** Checks what was parsed. @throws Error that says what is wrong with it */
export function commonOf({ target, seed, json, help }: { target: string; seed: string; json: boolean; help: boolean }): Common {
  if (target !== 'wasm' && target !== 'js') throw new Error(`--target must be wasm or js, not ${JSON.stringify(target)}`)
  return { target, seed: whole('seed', seed, 0, 2 ** 32 - 1), json, help }
}

/** A whole number in a range from an option's text. @throws Error that says what is wrong with it */
export function whole(name: string, text: string, least: number, most: number): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : NaN
  if (!(value >= least && value <= most)) {
    throw new Error(`--${name} must be a whole number from ${least} to ${most}, not ${JSON.stringify(text)}`)
  }
  return value
}

/** An option's text as the name of a file. @throws Error if there is none */
export function fileName(name: string, text: string): string {
  if (text === '') throw new Error(`--${name} needs a file name`)
  return text
}

/** Runs an example if its module, at `url`, is what Node was started with. Errors are told in a line and make it exit with 1. */
export async function start(url: string, name: string, main: (args: readonly string[], surroundings: Surroundings) => Promise<void>): Promise<void> {
  if (!process.argv[1] || realpathSync(process.argv[1]) !== fileURLToPath(url)) return
  await main(process.argv.slice(2), process).catch((error: Error) => {
    process.stderr.write(`${name}: ${error.message}\n`)
    process.exitCode = 1
  })
}
