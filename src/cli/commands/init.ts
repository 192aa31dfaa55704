import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { VERSION } from '../../api/version.ts'
import type { Command } from '../command.ts'
import { Failure } from '../failure.ts'

/** npm leaves files of these names out of packages, or reads them as its own: templates carry them under others. */
const RENAMED: Readonly<Record<string, string>> = { gitignore: '.gitignore', 'package.template.json': 'package.json' }

/** `gradc init`: a project that trains. */
export const init: Command = {
  usage: 'init DIR',
  summary: 'makes a project that trains: cd DIR && npm install && npm start',
  help: `  --gradc SPEC     what npm installs as gradc (default ^${VERSION}), such as file:../gradc-${VERSION}.tgz

DIR is made if it is not there, and must be empty.`,
  options: { gradc: { type: 'string' } },
  run: async ({ words: [shown], cwd, options, stdout }) => {
    const folder = resolve(cwd, shown)
    const spec = options.gradc ?? `^${VERSION}`
    if (typeof spec !== 'string' || !spec) throw new Failure('--gradc is empty', `what npm installs, such as ^${VERSION}`)
    await makeEmpty(folder, shown)
    const source = join(packageRoot(), 'templates/starter')
    for (const entry of await readdir(source, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue
      const inside = join(entry.parentPath.slice(source.length), entry.name)
      const target = join(folder, dirname(inside), RENAMED[entry.name] ?? entry.name)
      await mkdir(dirname(target), { recursive: true })
      if (entry.name === 'package.template.json') {
        const text = await readFile(join(source, inside), 'utf8')
        const project = JSON.parse(text) as { name: string; dependencies: Record<string, string> }
        project.name = nameOf(folder)
        project.dependencies.gradc = spec
        await writeFile(target, `${JSON.stringify(project, null, 2)}\n`)
      } else await copyFile(join(source, inside), target)
    }
    stdout.write(`made ${shown}\n\n  cd ${shown}\n  npm install\n  npm start\n`)
    return 0
  },
}

async function makeEmpty(folder: string, shown: string): Promise<void> {
  let there: string[]
  try {
    await mkdir(folder, { recursive: true })
    there = await readdir(folder)
  } catch (error) {
    throw new Failure(`${shown} cannot be made: ${(error as NodeJS.ErrnoException).code}`, '', error)
  }
  if (there.length) throw new Failure(`${shown} is not empty`, 'name a folder that is not there yet')
}

/** npm's rules for names: small letters, digits, dots, dashes. */
const nameOf = (folder: string): string =>
  basename(folder).toLowerCase().replace(/[^a-z0-9.-]+/g, '-').replace(/^[.-]+/, '').slice(0, 200) || 'demo'

/** The folder of this package: the first one upwards with its package.json. */
function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder)
  return folder
}
