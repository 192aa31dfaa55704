import { inOrder } from '../../ir/expression.ts'
import type { Node } from '../../ir/graph.ts'
import { showType } from '../../ir/types.ts'
import { rootsOfNest } from '../lower/simplify.ts'
import type { LoweredKernel, LoweredLoop, LoweredProgram, Move } from '../nest.ts'
import { Block } from './block.ts'
import { commentText } from './comment.ts'
import { writeNest } from './nest-writer.ts'
import { Shared } from './prelude.ts'
import { Names } from './names.ts'

/**
 * The program as text of one strict JavaScript function `kernels(memory)`: it takes an ArrayBuffer of at least
 * `memoryBytes` and gives an array of functions without arguments, one a program function in order. Loops over typed
 * arrays; no eval, no allocation while they run, nothing from outside but JavaScript's own globals.
 * Floating-point results have the same bits as the WebAssembly target's (NaN payloads aside).
 */
export function emitJs(program: LoweredProgram): string {
  const shared = new Shared()
  const kernels: string[] = []
  const entries: string[] = []
  let count = 0
  /** Writes a kernel, those inside it first, and gives its name. */
  const emitKernel = (k: LoweredKernel): string => {
    const inner = k.loop?.body.map(emitKernel) ?? []
    const id = `k${count++}_${identifier(k.name)}`
    kernels.push('', ...(k.loop ? loopLines(k.title, k.loop, id, inner, shared) : kernelLines(k, id, shared)))
    return id
  }
  program.functions.forEach(({ name, kernels: steps }, i) => {
    entries.push(`  // ${commentText(name)}`, `  function run_${i}() {`)
    for (const k of steps) entries.push(`    ${emitKernel(k)}()`)
    entries.push('  },')
  })
  const body = [`'use strict'`, ...shared.lines(), ...kernels, '', 'return [', ...entries, ']']
  return ['function kernels(memory) {', ...body.map((l) => (l ? `  ${l}` : l)), '}'].join('\n')
}

/** The part of a kernel's name that an identifier can carry, without a number that it may bring. */
const identifier = (name: string): string => name.replace(/^k\d+_/, '').replace(/\W/g, '_').slice(0, 60)

function kernelLines(kernel: LoweredKernel, name: string, shared: Shared): string[] {
  const body = new Block(`function ${name}()`)
  const names = new Names()
  const functions: string[] = []
  const text = { name, expressions: kernel.expressions, address: kernel.address, shared, functions }
  for (const nest of kernel.nests) writeNest(nest, text, names, body)
  const reads = [...nodesOf(kernel)].map((n) => `//   reads ${describe(n)} at byte ${kernel.address(n)}`)
  return [`// ${commentText(kernel.title)}`, ...reads, ...functions, ...body.print('')]
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
    ...body.map((id) => `    ${id}()`),
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
