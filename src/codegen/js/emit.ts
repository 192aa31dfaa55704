import { inOrder } from '../../ir/expression.ts'
import type { Node } from '../../ir/graph.ts'
import { showType } from '../../ir/types.ts'
import { rootsOfNest, type LoweredKernel, type LoweredLoop, type LoweredProgram, type Move } from '../nest.ts'
import { Bases } from './bases.ts'
import { Block } from './block.ts'
import { commentText } from './comment.ts'
import type { KernelText } from './kernel-text.ts'
import { writeNest } from './nest-writer.ts'
import { Shared } from './prelude.ts'
import { Names } from './names.ts'
import { sharedFunctions } from './twins.ts'

/** How f32 is added up: rounded after each operation, or, in sums, once at the end. */
export type Arithmetic = 'strict' | 'relaxed'

/**
 * The program as text of one strict JavaScript function `kernels(memory)`: it takes an ArrayBuffer of at least
 * `memoryBytes` and gives an array of functions without arguments, one a program function in order. Loops over typed
 * arrays; no eval, no allocation while they run, nothing from outside but JavaScript's own globals.
 * Floating-point results have the same bits as the WebAssembly target's (NaN payloads aside). Relaxed, sums and contractions of
 * f32 add up in doubles and round once: faster, closer to the real sum, and still the same bits on every engine.
 */
export function emitJs(program: LoweredProgram, arithmetic: Arithmetic = 'strict'): string {
  const how = { relaxed: arithmetic === 'relaxed', small: program.memoryBytes <= 2 ** 31 }
  const shared = new Shared()
  const kernels: string[] = []
  const entries: string[] = []
  const write = (k: LoweredKernel, name: string, bases: Bases): string[] => kernelLines(k, name, { bases, shared, ...how })
  const twins = sharedFunctions(program)
  let count = 0
  /** Writes a kernel, those inside it first, and gives its call. */
  const emitKernel = (k: LoweredKernel): string => {
    const inner = k.loop?.body.map(emitKernel) ?? []
    const group = twins.get(k)
    const bases = new Bases(group?.same === false ? k : undefined)
    const id = group?.name ?? `k${count++}_${identifier(k.name)}`
    if (!group?.name) kernels.push('', ...(k.loop ? loopLines(k.title, k.loop, id, inner, shared) : [...comments(k, bases), ...write(k, id, bases)]))
    if (group) group.name = id
    return `${id}(${bases.values.join(', ')})${group ? ` // ${commentText(k.title)}` : ''}`
  }
  program.functions.forEach(({ name, kernels: steps }, i) => {
    entries.push(`  // ${commentText(name)}`, `  function run_${i}() {`)
    for (const k of steps) entries.push(`    ${emitKernel(k)}`)
    entries.push('  },')
  })
  const body = [`'use strict'`, ...shared.lines(), ...kernels, '', 'return [', ...entries, ']']
  return ['function kernels(memory) {', ...body.map((l) => (l ? `  ${l}` : l)), '}'].join('\n')
}

/** The part of a kernel's name that an identifier can carry, without a number that it may bring. */
const identifier = (name: string): string => name.replace(/^k\d+_/, '').replace(/\W/g, '_').slice(0, 60)

function kernelLines(kernel: LoweredKernel, name: string, how: Pick<KernelText, 'bases' | 'shared' | 'relaxed' | 'small'>): string[] {
  const body = new Block(`function ${name}(${how.bases.names.join(', ')})`)
  const names = new Names()
  const functions: string[][] = []
  const rows = kernel.rows ?? []
  const text = { name, expressions: kernel.expressions, address: kernel.address, functions, rows: rows.length, ...how }
  if (!rows.length) for (const nest of kernel.nests) writeNest(nest, text, names, body)
  else {
    // Parts are functions of their own: engines optimise those sooner, and better, than one that holds all their loops.
    const blocks = [body]
    rows.forEach((n, i) => blocks.push(blocks[i].open(`for (let i${i} = 0; i${i} < ${n}; i${i}++)`)))
    const given = (depth: number): string => [...rows.map((_, i) => (i < depth ? `i${i}` : '0')), ...how.bases.names].join(', ')
    kernel.nests.forEach((nest, i) => {
      const part = new Block(`function ${name}_part${i}(${given(rows.length)})`)
      writeNest(nest, text, new Names(), part)
      functions.push(part.print(''))
      const { after = rows.length } = nest
      blocks[after].close()
      blocks[after].add(`${name}_part${i}(${given(after)})`)
    })
  }
  return [...functions.flat(), ...body.print('')]
}

/** What a kernel computes and reads, and where that lies. */
function comments(kernel: LoweredKernel, bases: Bases): string[] {
  const reads = [...nodesOf(kernel)].map((n) => {
    const address = kernel.address(n)
    return `//   reads ${describe(n)} at ${bases.nameOf(address, n.dtype) ?? `byte ${address}`}`
  })
  return [`// ${commentText(kernel.title)}`, ...reads]
}

function loopLines(title: string, loop: LoweredLoop, name: string, body: readonly string[], shared: Shared): string[] {
  const bytes = shared.view('bool')
  const at = (base: number, step: number): string => (step ? `${base} + t * ${step}` : String(base))
  const end = (base: number, step: number, size: number): string => (step ? `${base + size} + t * ${step}` : String(base + size))
  const move = (m: Move): string => `${bytes}.copyWithin(${at(m.to, m.toStep)}, ${at(m.from, m.fromStep)}, ${end(m.from, m.fromStep, m.bytes)})`
  const moves = (list: readonly Move[], indent: string): string[] => list.filter((m) => m.bytes).map((m) => indent + move(m))
  return [
    `// ${commentText(title)}`,
    `function ${name}() {`,
    ...moves(loop.before, '  '),
    loop.reverse ? `  for (let t = ${loop.length - 1}; t >= 0; t--) {` : `  for (let t = 0; t < ${loop.length}; t++) {`,
    ...moves(loop.enter, '    '),
    ...body.map((call) => `    ${call}`),
    ...moves(loop.leave, '    '),
    '  }',
    ...moves(loop.after, '  '),
    '}',
  ]
}

function nodesOf(kernel: LoweredKernel): Set<Node> {
  const nodes = new Set<Node>()
  for (const e of inOrder(kernel.nests.flatMap(rootsOfNest))) if ('node' in e) nodes.add(e.node)
  return nodes
}

/** `input f32[64, 784] "x"` */
function describe(node: Node): string {
  const name = typeof node.attrs.name === 'string' ? ` ${commentText(JSON.stringify(node.attrs.name))}` : ''
  return `%${node.id} ${node.op} ${showType(node)}${name}`
}
