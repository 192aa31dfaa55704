import { parseArgs } from 'node:util'
import { VERSION } from '../api/version.ts'
import type { Command } from './command.ts'
import { bench } from './commands/bench.ts'
import { build } from './commands/build.ts'
import { check } from './commands/check.ts'
import { explain } from './commands/explain.ts'
import { init } from './commands/init.ts'
import { memory } from './commands/memory.ts'
import { print } from './commands/print.ts'
import { Failure } from './failure.ts'
import { settingsOf } from './settings.ts'
import type { Surroundings } from './surroundings.ts'

const COMMANDS: Readonly<Record<string, Command>> = { build, print, explain, memory, check, bench, init }

const width = Math.max(...Object.values(COMMANDS).map((c) => c.usage.length))
const HELP = `gradc ${VERSION}: a gradient compiler for JavaScript hosts

${Object.values(COMMANDS).map((c) => `  gradc ${c.usage.padEnd(width)}  ${c.summary}`).join('\n')}

MODEL is a file whose default export, or export \`program\`, is what compile(...) gives. TypeScript is taken too.
gradc COMMAND --help tells more. Exit codes: 0 done, 1 something to put right, 70 a defect of gradc.

Environment: GRADC_DEBUG=1..5 (1 passes and time, 2 memory plan, 3 graphs before and after, 4 emitted code, 5 rules that fired),
GRADC_PRINT_AFTER=PASS, GRADC_VERIFY=1 (check every graph between passes), GRADC_SEED=N, NO_COLOR.
`

/** Runs the command that the words ask for. Gives the exit code: 0, 1 (the user can put it right) or 70 (a defect of gradc). */
export async function run(surroundings: Surroundings): Promise<number> {
  const { stderr } = surroundings
  try {
    return await dispatch(surroundings)
  } catch (error) {
    if (error instanceof Failure) {
      stderr.write(`gradc: ${error.message}\n`)
      return 1
    }
    // GradcError is the user's to put right also where it comes from another copy of gradc.
    if (error instanceof Error && error.name === 'GradcError') {
      stderr.write(`gradc: ${error.message}\n`)
      return 1
    }
    const told = error instanceof Error ? (error.stack ?? String(error)) : String(error)
    stderr.write(`gradc: ${told}\nThis is a defect of gradc ${VERSION}, please report it with the model file.\n`)
    return 70
  }
}

async function dispatch(surroundings: Surroundings): Promise<number> {
  const { args: [name, ...rest], stdout, env } = surroundings
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    const asked = rest[0]
    if (name === 'help' && asked !== undefined) return dispatch({ ...surroundings, args: [asked, '--help'] })
    stdout.write(HELP)
    return 0
  }
  if (name === '--version' || name === '-v') {
    stdout.write(`${VERSION}\n`)
    return 0
  }
  if (!Object.hasOwn(COMMANDS, name)) {
    throw new Failure(
      `there is no command ${JSON.stringify(name)}`,
      `commands are ${Object.keys(COMMANDS).join(', ')}; gradc --help tells what they do`,
    )
  }
  const command = COMMANDS[name]
  const { values, positionals } = parsed(name, command, rest)
  if (values.help) {
    stdout.write(`gradc ${command.usage}\n\n${command.summary}\n\n${command.help}\n`)
    return 0
  }
  const wanted = command.usage.replace(/ -o .*/, '').split(' ').slice(1)
  if (positionals.length !== wanted.length) {
    const more = positionals.length > wanted.length ? ` only, not also ${positionals[wanted.length]}` : ''
    throw new Failure(`${name} ${more ? 'takes' : 'needs'} ${wanted.join(' ')}${more}`, `gradc ${command.usage}`)
  }
  const options = values as Record<string, string | boolean | undefined>
  return command.run({ ...surroundings, words: positionals, options, settings: settingsOf(env) })
}

function parsed(name: string, command: Command, args: string[]): { values: Record<string, unknown>; positionals: string[] } {
  try {
    const options = { ...command.options, help: { type: 'boolean', short: 'h' } } as const
    return parseArgs({ args, options, allowPositionals: true, strict: true })
  } catch (error) {
    throw new Failure((error as Error).message.split('. ')[0], `gradc ${name} --help`, error)
  }
}
