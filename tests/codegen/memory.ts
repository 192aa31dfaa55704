import { expect } from 'vitest'
import { emitJs } from '../../src/codegen/js/emit.ts'
import type { LoweredKernel, LoweredProgram, Nest, Store } from '../../src/codegen/nest.ts'
import type { Affine } from '../../src/ir/affine.ts'
import { Expressions, type Expr } from '../../src/ir/expression.ts'
import type { Node } from '../../src/ir/graph.ts'
import type { Combine } from '../../src/ir/op.ts'
import { bytesOf, DTYPES, rowMajor, sizeOf, type DType, type Shape } from '../../src/ir/types.ts'
import { interpret } from './interpreter.ts'

import { stream as random } from '../generators.ts'

const SPECIAL = [
  NaN, Infinity, -Infinity, 0, -0, 1e-40, -1e-45, 3.4e38, -3.4e38, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5,
  2 ** 31, -(2 ** 31) - 1, 2 ** 32,
]

/** Kernels over hand-placed buffers: what lowering would give, without it. */
export class Desk {
  readonly x: Expressions = new Expressions()
  readonly #addresses = new Map<Node, number>()
  #bytes = 0

  node(dtype: DType, shape: Shape, name = ''): Node {
    const node = { id: this.#addresses.size, op: 'input', dtype, shape, attrs: { name } } as unknown as Node
    this.#addresses.set(node, this.#bytes)
    this.#bytes += Math.ceil(bytesOf(node) / 16) * 16
    return node
  }

  address = (node: Node): number => this.#addresses.get(node)!

  /** A load through these coefficients; without them, row-major over the leading axes. */
  load(node: Node, coefficients: readonly number[] = rowMajor(node.shape), offset = 0): Expr {
    return this.x.load(node, { offset, coefficients })
  }

  store(node: Node, value: Expr, more: { index?: Affine; indirect?: Store['indirect']; accumulate?: boolean } = {}): Store {
    const index = more.index ?? { offset: 0, coefficients: rowMajor(node.shape) }
    const { indirect = null, accumulate = false } = more
    return { address: this.address(node), dtype: node.dtype, index, indirect, value, accumulate }
  }

  kernel(nests: readonly Nest[], title = 'a kernel'): LoweredKernel {
    return { name: 'k0_test', title, expressions: this.x, address: this.address, nests }
  }

  program(...nests: readonly Nest[]): LoweredProgram {
    return { functions: [{ name: 'f', kernels: [this.kernel(nests)] }], memoryBytes: this.#bytes }
  }

  /** A memory with values in every buffer: numbers around 0, and one in `special` of them odd. */
  memory(seed: number, special = 0): ArrayBuffer {
    const next = random(seed)
    const memory = new ArrayBuffer(this.#bytes + 16)
    for (const [node, address] of this.#addresses) {
      const view = new DTYPES[node.dtype].array(memory, address, sizeOf(node.shape))
      for (let i = 0; i < view.length; i++) {
        if (node.dtype === 'bool') view[i] = next() < 0.5 ? 1 : 0
        else if (special && next() < special) view[i] = SPECIAL[Math.floor(next() * SPECIAL.length)]
        else view[i] = node.dtype === 'f32' || node.dtype === 'f64' ? (next() - 0.5) * 8 : Math.floor((next() - 0.3) * 12)
      }
    }
    return memory
  }
}

const NEST: Nest = { free: [], reduced: [], combine: null, value: null, running: false, stores: [] }

export const mapNest = (free: Shape, ...stores: Store[]): Nest => ({ ...NEST, free, stores })
export const foldNest = (combine: Combine, free: Shape, reduced: Shape, value: Expr, ...stores: Store[]): Nest => ({
  ...NEST,
  free,
  reduced,
  combine,
  value,
  stores,
})

/** Evaluates emitted text; only tests do that. */
export const kernelsOf = (text: string): ((memory: ArrayBuffer) => (() => void)[]) =>
  new Function(`'use strict'; return (${text})`)() as (memory: ArrayBuffer) => (() => void)[]

export function runJs(program: LoweredProgram, memory: ArrayBuffer): string {
  const text = emitJs(program)
  for (const entry of kernelsOf(text)(memory)) entry()
  return text
}

/** Bytes of a memory, with every NaN of these float buffers made one NaN. */
export function canonical(memory: ArrayBuffer): Uint32Array {
  const words = new Uint32Array(memory, 0, memory.byteLength >> 2).slice()
  for (let i = 0; i < words.length; i++) if ((words[i] & 0x7fffffff) > 0x7f800000) words[i] = 0x7fc00000
  return words
}

/** Runs the emitted JavaScript and the interpreter over the same memory and expects the same bits; gives the text. */
export function expectSame(desk: Desk, program: LoweredProgram, seeds: readonly number[] = [1, 2, 3], special = 0.2): string {
  let text = ''
  for (const seed of seeds) {
    const expected = desk.memory(seed, special)
    const actual = expected.slice(0)
    interpret(program, expected)
    text = runJs(program, actual)
    const [got, want] = [canonical(actual), canonical(expected)]
    const at = got.findIndex((w, i) => w !== want[i])
    expect(at, `seed ${seed}: word ${at} is ${got[at]}, not ${want[at]}\n${text}`).toBe(-1)
  }
  return text
}
