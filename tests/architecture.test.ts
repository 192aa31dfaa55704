// The second lock on the shape of src/; the first is .oxlintrc.json. Every check is a function from sources to a list
// of complaints, so that it can be shown to complain: the fixtures stand beside it.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { parseAst } from 'vitest/node'

/** Path from the root of the repository -> text. */
type Sources = Record<string, string>
type Check = (sources: Sources) => string[]

// --- The import table ------------------------------------------------------------------------------------------------

interface Room {
  /** Rooms it may import besides itself. */
  imports: readonly string[]
  /** Rooms of which it may take types, by `import type` only. */
  types?: readonly string[]
  /** Whether it may import node: built-ins. */
  node?: boolean
}

const core = ['ir', 'nn', 'optim', 'passes', 'codegen', 'runtime', 'interop']
const ROOMS: Record<string, Room> = {
  ir: { imports: [] },
  nn: { imports: ['ir'] },
  optim: { imports: ['ir'] },
  passes: { imports: ['ir'] },
  codegen: { imports: ['ir'] },
  interop: { imports: ['ir'] },
  runtime: { imports: [], types: ['ir'], node: true },
  api: { imports: core, node: true },
  'index.ts': { imports: [...core, 'api'] },
  cli: { imports: [...core, 'api', 'index.ts'], node: true },
  'cli.ts': { imports: [...core, 'api', 'index.ts', 'cli'], node: true },
}
const MAX_LINES = 400
const BANNED_NAMES = /^(utils?|helpers?|managers?|process|data|handles?|misc)$/

// --- Reading sources -------------------------------------------------------------------------------------------------

interface Node {
  type: string
  [key: string]: unknown
}
interface Import {
  specifier: string
  /** Erased at run time. `import { type A }` is not: its side-effect import stays. */
  typeOnly: boolean
}
type Visit = (node: Node, parent: Node | undefined, key: string) => void

function walk(node: Node, visit: Visit, parent?: Node, key = ''): void {
  visit(node, parent, key)
  for (const [name, value] of Object.entries(node))
    for (const child of Array.isArray(value) ? value : [value])
      if (typeof child?.type === 'string') walk(child as Node, visit, node, name)
}

function walkText(path: string, text: string, visit: Visit): void {
  walk(parseAst(text, { lang: 'ts', sourceType: 'module' }, path) as unknown as Node, visit)
}

function importsOf(path: string, text: string): Import[] {
  const found: Import[] = []
  walkText(path, text, (node) => {
    const source = (node.source ?? (node.type === 'TSExternalModuleReference' ? node.expression : undefined)) as
      | Node
      | undefined
    if (source?.type !== 'Literal') return
    const typeOnly = node.importKind === 'type' || node.exportKind === 'type' || node.type === 'TSImportType'
    found.push({ specifier: String(source.value), typeOnly })
  })
  return found
}

/** The room of a path: a folder of src/, or a file that stands directly in it. */
const roomOf = (path: string): string => path.split('/')[1]!
const resolve = (from: string, specifier: string): string => posix.join(posix.dirname(from), specifier)
const stringOf = (node: Node): string | undefined => {
  if (node.type === 'Literal' && typeof node.value === 'string') return node.value
  if (node.type === 'TemplateElement') return (node.value as { raw: string }).raw
  return undefined
}
/** Whether an identifier is only a name after a dot, or a key, and so refers to no variable. */
const isMereName = (parent: Node | undefined, key: string): boolean =>
  !parent?.computed && ((parent?.type === 'MemberExpression' && key === 'property') || key === 'key')

// --- The checks ------------------------------------------------------------------------------------------------------

const importTable: Check = (sources) =>
  Object.entries(sources).flatMap(([path, text]) => {
    const name = roomOf(path)
    const room = ROOMS[name]
    if (!room) return [`${path}: ${name} is no room of src/`]
    return importsOf(path, text).flatMap(({ specifier, typeOnly }) => {
      const complain = (why: string): string[] => [`${path}: '${specifier}' ${why}`]
      if (specifier.startsWith('node:')) return room.node ? [] : complain(`${name} takes no node: built-ins`)
      if (!specifier.startsWith('.')) return complain('is a package; gradc has no dependencies at run time')
      const target = resolve(path, specifier)
      if (!target.startsWith('src/')) return complain('leaves src/')
      if (!(target in sources)) return complain('is no source file')
      const to = roomOf(target)
      if (to === name || room.imports.includes(to)) return []
      if (!room.types?.includes(to)) return complain(`${name} may not import ${to}`)
      return typeOnly ? [] : complain(`${name} may only \`import type\` from ${to}`)
    })
  })

const importCycles: Check = (sources) => {
  const edges = new Map(
    Object.entries(sources).map(([path, text]) => [
      path,
      importsOf(path, text)
        .filter(({ specifier, typeOnly }) => !typeOnly && specifier.startsWith('.'))
        .map(({ specifier }) => resolve(path, specifier)),
    ]),
  )
  const complaints: string[] = []
  const done = new Set<string>()
  const visit = (path: string, trail: string[]): void => {
    const start = trail.indexOf(path)
    if (start >= 0) complaints.push(`import cycle: ${[...trail.slice(start), path].join(' -> ')}`)
    if (start >= 0 || done.has(path)) return
    for (const next of edges.get(path) ?? []) visit(next, [...trail, path])
    done.add(path)
  }
  for (const path of edges.keys()) visit(path, [])
  return complaints
}

const fileLength: Check = (sources) =>
  Object.entries(sources).flatMap(([path, text]) => {
    const lines = text.replace(/\n$/, '').split('\n').length
    return lines > MAX_LINES ? [`${path}: ${lines} lines, at most ${MAX_LINES}`] : []
  })

const fileNames: Check = (sources) =>
  Object.keys(sources).flatMap((path) => {
    const words = path.replace(/([a-z0-9])([A-Z])/g, '$1-$2').toLowerCase().split(/[^a-z0-9]+/)
    const banned = words.find((word) => BANNED_NAMES.test(word))
    return banned === undefined ? [] : [`${path}: the name '${banned}' says nothing`]
  })

/** Neither in our code nor in text that we might emit. */
const noEval: Check = (sources) =>
  Object.entries(sources).flatMap(([path, text]) => {
    const complaints: string[] = []
    walkText(path, text, (node, parent, key) => {
      const written = stringOf(node)
      if (written !== undefined && /(?<![.\w])eval\s*\(|\bnew\s+Function\b/.test(written))
        complaints.push(`${path}: text with eval or new Function`)
      if (node.type === 'Identifier' && node.name === 'eval' && !isMereName(parent, key))
        complaints.push(`${path}: eval`)
      const makes = node.type === 'NewExpression' || node.type === 'CallExpression'
      const callee = node.callee as Node | undefined
      const name = callee?.type === 'MemberExpression' ? (callee.property as Node) : callee
      const onGlobal = callee?.type !== 'MemberExpression' || (callee.object as Node).name === 'globalThis'
      if (makes && onGlobal && (name?.name === 'Function' || name?.name === 'eval') && callee?.name !== 'eval')
        complaints.push(`${path}: ${String(name.name)} called`)
    })
    return complaints
  })

/** `process` may be asked by name for anything but env and argv, outside the command. */
const onlyCliReadsEnvironment: Check = (sources) =>
  Object.entries(sources).flatMap(([path, text]) => {
    if (path === 'src/cli.ts') return []
    const complaints = importsOf(path, text)
      .filter(({ specifier }) => /^(node:)?process$/.test(specifier))
      .map(({ specifier }) => `${path}: imports ${specifier}`)
    const parents = new Map<Node, [parent: Node | undefined, key: string]>()
    walkText(path, text, (node, parent, key) => {
      parents.set(node, [parent, key])
      if (node.type !== 'Identifier' || node.name !== 'process') return
      let [use, role] = [parent, key]
      if (use?.type === 'MemberExpression' && role === 'property' && !use.computed) {
        if ((use.object as Node).name !== 'globalThis') return
        ;[use, role] = parents.get(use)!
      } else if (isMereName(use, role) || use?.type === 'TSQualifiedName') return
      if (use?.type === 'UnaryExpression' && use.operator === 'typeof') return
      const asked = use?.type === 'MemberExpression' && role === 'object' && !use.computed ? use.property : undefined
      const property = (asked as Node | undefined)?.name
      if (property === undefined || property === 'env' || property === 'argv')
        complaints.push(`${path}: reads process${property === undefined ? '' : `.${String(property)}`}`)
    })
    return complaints
  })

// --- The house -------------------------------------------------------------------------------------------------------

const root = fileURLToPath(new URL('..', import.meta.url))

function sourcesUnder(folder: string): Sources {
  if (!existsSync(root + folder)) return {}
  const paths = readdirSync(root + folder, { recursive: true, encoding: 'utf8' })
    .map((path) => posix.join(folder, path.replaceAll('\\', '/')))
    .filter((path) => path.endsWith('.ts'))
    .sort()
  return Object.fromEntries(paths.map((path) => [path, readFileSync(root + path, 'utf8')]))
}

const lines = (count: number): string => '// line\n'.repeat(count)

/** Each check with sources it must refuse, each for one reason, and sources it must let pass. */
const CHECKS: Record<string, { check: Check; bad: Record<string, Sources>; good: Record<string, Sources> }> = {
  'the import table': {
    check: importTable,
    bad: {
      'ir imports passes': { 'src/ir/a.ts': `import '../passes/b.ts'`, 'src/passes/b.ts': '' },
      'ir takes types from nn': { 'src/ir/a.ts': `import type { B } from '../nn/b.ts'`, 'src/nn/b.ts': '' },
      'codegen imports passes': { 'src/codegen/js/a.ts': `export * from '../../passes/b.ts'`, 'src/passes/b.ts': '' },
      'optim imports nn': { 'src/optim/a.ts': `import { b } from '../nn/b.ts'`, 'src/nn/b.ts': '' },
      'nn imports optim': { 'src/nn/a.ts': `export { b } from '../optim/b.ts'`, 'src/optim/b.ts': '' },
      'passes import codegen': { 'src/passes/a.ts': `await import('../codegen/b.ts')`, 'src/codegen/b.ts': '' },
      'interop imports nn': { 'src/interop/a.ts': `type B = import('../nn/b.ts').B`, 'src/nn/b.ts': '' },
      'runtime imports ir': { 'src/runtime/a.ts': `import { b } from '../ir/b.ts'`, 'src/ir/b.ts': '' },
      'runtime keeps a side effect of ir': {
        'src/runtime/a.ts': `import { type B } from '../ir/b.ts'`,
        'src/ir/b.ts': '',
      },
      'runtime takes types from codegen': {
        'src/runtime/a.ts': `import type { B } from '../codegen/b.ts'`,
        'src/codegen/b.ts': '',
      },
      'a room imports the public surface': { 'src/nn/a.ts': `import '../index.ts'`, 'src/index.ts': '' },
      'a room imports the api': { 'src/passes/a.ts': `import '../api/fn.ts'`, 'src/api/fn.ts': '' },
      'a package': { 'src/api/a.ts': `import _ from 'lodash'` },
      'a node: built-in in ir': { 'src/ir/a.ts': `import { readFileSync } from 'node:fs'` },
      'a way out of src': { 'src/api/a.ts': `import '../../tests/a.ts'` },
      'a file that is not there': { 'src/ir/a.ts': `import './b.js'`, 'src/ir/b.ts': '' },
      'an unknown room': { 'src/core/a.ts': '' },
      'a loose file': { 'src/loose.ts': '' },
    },
    good: {
      'every allowed direction': {
        'src/ir/a.ts': `import { b } from './ops/b.ts'`,
        'src/ir/ops/b.ts': '',
        'src/nn/a.ts': `import { a } from '../ir/a.ts'`,
        'src/codegen/js/a.ts': `import { a } from '../../ir/a.ts'`,
        'src/runtime/a.ts': `import type { A } from '../ir/a.ts'; export type { B } from '../ir/ops/b.ts'; import 'node:fs'`,
        'src/api/a.ts': `import { a } from '../runtime/a.ts'; import { c } from '../codegen/js/a.ts'`,
        'src/index.ts': `export * from './api/a.ts'`,
        'src/cli.ts': `import { a } from './index.ts'; import 'node:fs'`,
      },
      'words that are not imports': { 'src/ir/a.ts': `// import '../nn/b.ts'\nconst s = "import '../nn/b.ts'"` },
    },
  },
  'no import cycles': {
    check: importCycles,
    bad: {
      'of two': { 'src/ir/a.ts': `import './b.ts'`, 'src/ir/b.ts': `import './a.ts'` },
      'of itself': { 'src/ir/a.ts': `import './a.ts'` },
      'of three, through exports and folders': {
        'src/ir/a.ts': `export * from './ops/b.ts'`,
        'src/ir/ops/b.ts': `export { c } from '../c.ts'`,
        'src/ir/c.ts': `import { type A } from './a.ts'`,
      },
    },
    good: {
      'types only': { 'src/ir/a.ts': `import type { B } from './b.ts'`, 'src/ir/b.ts': `import './a.ts'` },
      'a diamond': {
        'src/ir/a.ts': `import './b.ts'; import './c.ts'`,
        'src/ir/b.ts': `import './d.ts'`,
        'src/ir/c.ts': `import './d.ts'`,
        'src/ir/d.ts': '',
      },
    },
  },
  'file length': {
    check: fileLength,
    bad: { 'one line too many': { 'src/ir/a.ts': lines(MAX_LINES + 1) } },
    good: { 'just enough': { 'src/ir/a.ts': lines(MAX_LINES) } },
  },
  'file names': {
    check: fileNames,
    bad: Object.fromEntries(
      ['utils.ts', 'helpers/a.ts', 'stateManager.ts', 'process.ts', 'load-data.ts', 'handle.ts', 'misc.ts', 'Util.ts'].map(
        (name) => [name, { [`src/ir/${name}`]: '' }],
      ),
    ),
    good: { 'names that only contain one': { 'src/ir/datatype.ts': '', 'src/ir/processor.ts': '' } },
  },
  'no eval': {
    check: noEval,
    bad: {
      eval: { 'src/ir/a.ts': `eval('1')` },
      'eval by another name': { 'src/ir/a.ts': `const e = eval; e('1')` },
      'eval of globalThis': { 'src/ir/a.ts': `globalThis.eval('1')` },
      'new Function': { 'src/ir/a.ts': `new Function('return 1')` },
      'Function called': { 'src/ir/a.ts': `Function('return 1')` },
      'new Function of globalThis': { 'src/ir/a.ts': `new globalThis.Function('return 1')` },
      'eval in emitted text': { 'src/codegen/a.ts': 'const s = `eval(${1})`' },
      'new Function in emitted text': { 'src/codegen/a.ts': `const s = 'new Function("x")'` },
    },
    good: {
      'a method, a type, a comment': {
        'src/ir/a.ts': `// eval('1'), new Function\ntype F = Function; const o = { eval: 1 }; o.eval; machine.eval(2)`,
      },
    },
  },
  'only the command reads env and argv': {
    check: onlyCliReadsEnvironment,
    bad: {
      env: { 'src/ir/a.ts': `const x = process.env.X` },
      argv: { 'src/index.ts': `const x = process.argv[2]` },
      'env, optionally': { 'src/api/a.ts': `const x = globalThis.process?.env` },
      'env by a string': { 'src/api/a.ts': `const x = process['env']` },
      'env taken apart': { 'src/api/a.ts': `const { env } = process` },
      'env in a template': { 'src/api/a.ts': 'const x = `${process.env.X}`' },
      'another name': { 'src/api/a.ts': `const p = process` },
      'an import': { 'src/api/a.ts': `import { env } from 'node:process'` },
      'a file that is called cli.ts, elsewhere': { 'src/api/cli.ts': `process.argv` },
    },
    good: {
      'the command itself': { 'src/cli.ts': `process.env.X; process.argv` },
      'other questions': { 'src/api/a.ts': `typeof process; process.versions.node; a.process.env; const o = { process: 1 }` },
    },
  },
}

const sources = sourcesUnder('src')

test('there is a house to check', () => {
  expect(Object.keys(sources).length).toBeGreaterThan(0)
})

describe.each(Object.entries(CHECKS))('%s', (_, { check, bad, good }) => {
  test('holds in src', () => {
    expect(check(sources)).toEqual([])
  })
  test.each(Object.entries(bad))('refuses: %s', (_name, fixture) => {
    expect(check(fixture)).toHaveLength(1)
  })
  test.each(Object.entries(good))('lets pass: %s', (_name, fixture) => {
    expect(check(fixture)).toEqual([])
  })
})
