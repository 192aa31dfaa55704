// The package as npm would install it, in a folder of its own, and its command run as a child process.
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { run } from '../../src/cli/run.ts'

const root = join(import.meta.dirname, '../..')

/**
 * The command of the sources in this process: faster. Model files in an installed folder bring their own copy of gradc there, as
 * with a command that is installed elsewhere.
 */
export async function runHere(words: string, env: Readonly<Record<string, string>> = {}, cwd: string = tmpdir()): Promise<Run> {
  const said = { out: '', err: '' }
  const output = (to: 'out' | 'err'): { write: (text: string) => void } => ({ write: (text) => void (said[to] += text) })
  const args = words.split(' ').filter(Boolean)
  const code = await run({ args, env, cwd, stdout: output('out'), stderr: output('err') })
  return { code, ...said }
}

/** How a run of the command ended. */
export interface Run {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** A folder whose node_modules has gradc, built from the sources. */
export class Installed {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'gradc-cli-'))
  readonly home: string = join(this.folder, 'node_modules/gradc')

  constructor() {
    mkdirSync(this.home, { recursive: true })
    for (const part of ['package.json', 'README.md', 'LICENSE', 'templates']) cpSync(join(root, part), join(this.home, part), { recursive: true })
    const tsc = join(root, 'node_modules/typescript/bin/tsc')
    // Types are checked elsewhere.
    const flags = ['-p', join(root, 'tsconfig.build.json'), '--noCheck', '--declaration', 'false', '--isolatedDeclarations', 'false']
    execFileSync(process.execPath, [tsc, ...flags, '--outDir', join(this.home, 'dist')], { stdio: 'pipe' })
    this.write({ 'package.json': '{"type":"module"}' })
  }

  /** Files by their path in the folder. */
  write(files: Readonly<Record<string, string>>): void {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(this.folder, path)), { recursive: true })
      writeFileSync(join(this.folder, path), text)
    }
  }

  /** Runs `gradc` with these words in the folder. */
  run(words: string, env: Readonly<Record<string, string>> = {}): Run {
    const args = [join(this.home, 'dist/src/cli.js'), ...words.split(' ').filter(Boolean)]
    const { status, stdout, stderr } = spawnSync(process.execPath, args, {
      cwd: this.folder, encoding: 'utf8', env: { PATH: process.env.PATH, ...env }, timeout: 60_000,
    })
    return { code: status, out: stdout, err: stderr }
  }

  /** {@link runHere} in the folder. */
  here(words: string, env: Readonly<Record<string, string>> = {}): Promise<Run> {
    return runHere(words, env, this.folder)
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
