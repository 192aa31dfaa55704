import type { ParseArgsConfig } from 'node:util'
import type { Settings } from './settings.ts'
import type { Surroundings } from './surroundings.ts'

/** What a command was called with. */
export interface Call extends Surroundings {
  /** Words that are no options; as many as the command's usage has. */
  readonly words: readonly string[]
  /** Values of options by name. */
  readonly options: Readonly<Record<string, string | boolean | undefined>>
  readonly settings: Settings
}

/** One word after `gradc`. One file a command, in `commands/`. */
export interface Command {
  /** `build MODEL -o DIR` */
  readonly usage: string
  /** What it does, in one line. */
  readonly summary: string
  /** Its help after the first two lines: options, and what one should know. */
  readonly help: string
  /** Beside --help, which every command has. */
  readonly options: NonNullable<ParseArgsConfig['options']>
  /** Gives the exit code: 0, or 1 for a finding that it has told of already. Throws a Failure for what the user can put right. */
  readonly run: (call: Call) => Promise<number>
}
