import { localsOf, type Callee, type Func, type Instr, type Label, type Local, type ModuleParts } from './assembler.ts'

/** The module in the text format, to be read by people. */
export function toWat(parts: ModuleParts): string {
  const lines = ['(module']
  for (const f of parts.imports) lines.push(`  (import ${quoted(f.module)} ${quoted(f.name)} (func $${f.name}${signature(f)}))`)
  const { pages, from } = parts.memory
  const limits = from?.shared ? `${pages} ${pages} shared` : `${pages}`
  lines.push(from ? `  (import ${quoted(from.module)} ${quoted(from.name)} (memory ${limits}))` : `  (memory ${pages} ${pages})`)
  for (const g of parts.globals ?? []) lines.push(`  (global $${g.name} (mut ${g.type}) (${g.type}.const 0))`)
  lines.push('  (export "memory" (memory 0))')
  for (const e of parts.exports) lines.push(`  (export ${quoted(e.name)} (func $${e.func.name}))`)
  for (const f of parts.functions) lines.push(...func(f))
  for (const s of parts.segments) lines.push(`  (data (i32.const ${s.offset}) "…") ;; ${s.bytes.length} bytes`)
  return [...lines, ')', ''].join('\n')
}

/** A string literal of the text format. */
function quoted(text: string): string {
  const hex = (c: string): string => [...new TextEncoder().encode(c)].map((b) => `\\${b.toString(16).padStart(2, '0')}`).join('')
  return `"${text.replace(/[^ !#-[\]-~]/gu, hex)}"`
}

const signature = (f: Callee): string =>
  [['param', f.params.map((p) => p.type)] as const, ['result', f.results] as const]
    .map(([word, types]) => (types.length ? ` (${word} ${types.join(' ')})` : ''))
    .join('')

function func(f: Func): string[] {
  const names = new Map<Local, string>()
  for (const l of [...f.params, ...localsOf(f)]) names.set(l, `$${l.type[0]}${names.size}`)
  // Titles carry names given by users: nothing in them may end the comment.
  const title = f.title.replace(/[\p{Cc}\u2028\u2029]/gu, ' ')
  const lines = ['', ...(title ? [`  ;; ${title}`] : [])]
  const params = f.params.map((p) => ` (param ${names.get(p)} ${p.type})`).join('')
  lines.push(`  (func $${f.name}${params}${f.results.length ? ` (result ${f.results.join(' ')})` : ''}`)
  for (const l of localsOf(f)) lines.push(`    (local ${names.get(l)} ${l.type})`)
  const labels = new Map<Label, string>()
  let depth = 2
  for (const i of f.body.list) {
    if (i.kind === 'structure') labels.set(i.label, `$l${labels.size}`)
    if (i.op === 'end' || i.op === 'else') depth--
    lines.push(`${'  '.repeat(depth)}${show(i, names, labels)}`)
    if (i.kind === 'structure' || i.op === 'else') depth++
  }
  return [...lines, '  )']
}

function show(i: Instr, names: ReadonlyMap<Local, string>, labels: ReadonlyMap<Label, string>): string {
  switch (i.kind) {
    case 'plain':
    case 'bulk':
      return i.op
    case 'local':
      return `${i.op} ${names.get(i.local)}`
    case 'global':
      return `${i.op} $${i.global.name}`
    case 'structure':
    case 'branch':
      return `${i.op} ${labels.get(i.label)}`
    case 'constant':
      return `${i.op} ${showNumber(i.value)}`
    case 'memory':
      return `${i.op} offset=${i.offset} align=${2 ** i.align}`
    case 'memoryLane':
      return `${i.op} offset=${i.offset} align=${2 ** i.align} ${i.lane}`
    case 'lane':
      return `${i.op} ${i.lane}`
    case 'bytes':
      return i.op === 'v128.const' ? `${i.op} i8x16 ${i.bytes.join(' ')}` : `${i.op} ${i.bytes.join(' ')}`
    case 'call':
      return `${i.op} $${i.callee.name}`
  }
}

function showNumber(value: number | bigint): string {
  if (Number.isNaN(value)) return 'nan'
  if (value === Infinity) return 'inf'
  if (value === -Infinity) return '-inf'
  return Object.is(value, -0) ? '-0' : String(value)
}
