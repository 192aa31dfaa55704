import { inOrder } from '../../ir/expression.ts'
import type { Node } from '../../ir/graph.ts'
import { showType } from '../../ir/types.ts'
import { rootsOfNest } from '../lower/simplify.ts'
import type { LoweredKernel, LoweredProgram } from '../nest.ts'
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
  program.functions.forEach(({ name, kernels: steps }, i) => {
    entries.push(`  // ${commentText(name)}`, `  function run_${i}() {`)
    for (const k of steps) {
      const id = `k${count++}_${identifier(k.name)}`
      kernels.push('', ...kernelLines(k, id, shared))
      entries.push(`    ${id}()`)
    }
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
