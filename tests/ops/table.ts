// The page docs/ops.md: what holds of every op, by the results of the property suites. `npm run ops` runs them and prints it.
import type { OpDef } from '../../src/ir/op.ts'
import { ops } from '../../src/ir/ops/index.ts'
import { reverseOnly } from '../generators.ts'

/** Ops that WebAssembly computes one element at a time only, and why. */
export const ONE_BY_ONE: { readonly [op: string]: string } = {
  input: 'no code of its own',
  rem: 'there is no vector instruction for it',
}

/** A test of the suites: its file and full name. */
export interface Evidence {
  readonly file: string
  readonly name: string
}

/** What stands in one cell: tests that must have passed, or why there is nothing to test. */
export type Cell = { readonly tests: readonly Evidence[] } | { readonly reason: string }

const test = (file: string, name: string): Evidence => ({ file: `tests/${file}`, name })
const gradients = (name: string): Evidence => test('properties/gradients.test.ts', name)
const lanes = (op: string, how: string): Evidence => test('properties/lanes.test.ts', `${op} in WebAssembly ${how}`)
const backends = (name: string): Evidence => test('properties/backends.test.ts', name)

/** Why no derivative is asked of an op; null if one is. */
function withoutDerivative(def: OpDef): string | null {
  if (def.lowering.kind === 'leaf') return 'a leaf'
  if (def.derivative === 'stopped') return 'stopped on purpose'
  return def.derivative === 'none' ? 'whole numbers or bits' : null
}

const derivative = (def: OpDef, tests: readonly Evidence[]): Cell => {
  const reason = withoutDerivative(def)
  return reason === null ? { tests } : { reason }
}

/** The columns of the table. */
export const COLUMNS: readonly { readonly title: string; readonly cell: (def: OpDef) => Cell }[] = [
  {
    title: 'shape rule',
    cell: ({ name }) => ({ tests: [test('ir/generators.test.ts', `every op can be drawn, verified and evaluated ${name}`)] }),
  },
  {
    title: 'tangent',
    cell: (def) =>
      reverseOnly(def.name)
        ? { reason: 'known by its adjoint alone' }
        : derivative(def, [gradients(`${def.name} forward mode is its transpose`)]),
  },
  {
    title: 'transpose',
    cell: (def) => {
      const own = def.transpose ? [gradients(`${def.name} its own transpose rule is that of its tangent rule`)] : []
      return derivative(def, [gradients(`${def.name} reverse mode agrees with differences`), ...own])
    },
  },
  {
    title: 'second order',
    cell: (def) => derivative(def, [
      gradients(`${def.name} second derivatives agree with differences of gradients, both ways round`),
      gradients(`closure derivatives of ${def.name} to second order are made of primitives`),
    ]),
  },
  { title: 'evaluator', cell: ({ name }) => ({ tests: [backends(`${name} evaluator, nests, JS and WebAssembly agree`)] }) },
  { title: 'JS', cell: ({ name }) => ({ tests: [backends(`${name} evaluator, nests, JS and WebAssembly agree`)] }) },
  { title: 'WASM scalar', cell: ({ name }) => ({ tests: [lanes(name, 'one element at a time')] }) },
  {
    title: 'WASM SIMD',
    cell: ({ name }) =>
      ONE_BY_ONE[name] ? { reason: ONE_BY_ONE[name] } : { tests: [lanes(name, 'several elements at a time')] },
  },
  {
    title: 'fuzzed',
    cell: ({ name }) => ({
      tests: [
        backends(`${name} also on NaN, infinities, zeros of both signs and denormals`),
        test('properties/plan.test.ts', `${name} alone, with operands of all kinds, keeps its promises`),
      ],
    }),
  },
]

/** What exists only while derivatives are taken reaches no target: its row says so. */
const cellOf = (def: OpDef, column: (typeof COLUMNS)[number]): Cell =>
  def.lowering.kind === 'opaque' ? { reason: 'inside derivatives only' } : column.cell(def)

/** Files whose tests the table asks for. */
export const files = (): string[] => {
  const cells = ops().flatMap((def) => COLUMNS.map((c) => cellOf(def, c)))
  return [...new Set(cells.flatMap((c) => ('tests' in c ? c.tests.map((t) => t.file) : [])))].sort()
}

/** The page, and every test in it that has not passed. `passed` tells of one test; null: there was no such test. */
export function pageOf(passed: (evidence: Evidence) => boolean | null): { readonly page: string; readonly missing: string[] } {
  const missing: string[] = []
  const show = (def: OpDef, column: (typeof COLUMNS)[number]): string => {
    const cell = cellOf(def, column)
    if ('reason' in cell) return `- (${cell.reason})`
    const bad = cell.tests.filter((t) => passed(t) !== true)
    for (const t of bad) {
      const why = passed(t) === null ? 'there is no such test' : 'failed'
      missing.push(`${def.name}, ${column.title}: ${t.file} > ${t.name}: ${why}`)
    }
    return bad.length ? '**no**' : 'yes'
  }
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const lines = [
    '# Ops',
    '',
    'What the suite holds of every op of the registry. `npm run ops` runs the property suites and prints this page from their results;',
    '`npm run ops -- --write` writes it. Do not edit it.',
    '',
    'A shape rule is one under which every random sample verifies and evaluates. Tangents are held against transposes, transposes and',
    'second order against central differences in doubles. The evaluator, JavaScript and both ways of WebAssembly agree on random shapes',
    'and views; fuzzed: also on NaN, infinities, signed zeros and denormals, and its memory plans replay without fault.',
    '',
    row(['op', ...COLUMNS.map((c) => c.title)]),
    row(['---', ...COLUMNS.map(() => '---')]),
    ...ops().map((def) => row([`\`${def.name}\``, ...COLUMNS.map((c) => show(def, c))])),
  ]
  return { page: `${lines.join('\n')}\n`, missing }
}
