import type { Routine } from '../../ir/scalar.ts'
import type { DType } from '../../ir/types.ts'
import { routineText } from './routine.ts'

/** What emitted kernels share, declared only when used. */
export type Part = 'fround' | 'roundEven' | 'bits' | 'philox'

/** Collects what the kernels of one program need from around them. */
export class Shared {
  readonly #parts = new Set<Part>()
  readonly #views = new Set<string>()
  readonly #routines = new Map<string, readonly string[]>()

  #held = 0

  /** At least so many numbers pass from a kernel to the function that ends its tiles. */
  hold(count: number): void {
    this.#held = Math.max(this.#held, count)
  }

  need(part: Part): void {
    this.#parts.add(part)
  }

  /** Name of the function that is this routine. */
  routine(routine: Routine): string {
    if (!this.#routines.has(routine.name)) this.#routines.set(routine.name, routineText(routine, this))
    return routine.name
  }

  /** Name of the view of memory that holds elements of this dtype. */
  view(dtype: DType): string {
    const [name] = VIEWS[dtype]
    this.#views.add(name)
    return name
  }

  /** Declarations, to stand before the kernels. */
  lines(): string[] {
    const views = new Map(Object.values(VIEWS).map((view) => [view[0], view]))
    return [
      ...[...views.values()].filter(([name]) => this.#views.has(name)).map(([name, array, bytes]) => {
        const length = bytes === 1 ? 'memory.byteLength' : `Math.floor(memory.byteLength / ${bytes})`
        return `const ${name} = new ${array}(memory, 0, ${length})`
      }),
      ...(this.#held ? [`const held = new Float64Array(${this.#held})`] : []),
      ...(['fround', 'roundEven', 'bits', 'philox'] as const).filter((p) => this.#parts.has(p)).flatMap((p) => TEXT[p]),
      ...[...this.#routines.values()].flat(),
    ]
  }
}

const VIEWS: { readonly [D in DType]: readonly [name: string, array: string, bytes: number] } = {
  f32: ['f32', 'Float32Array', 4],
  f64: ['f64', 'Float64Array', 8],
  i32: ['i32', 'Int32Array', 4],
  u32: ['u32', 'Uint32Array', 4],
  bool: ['u8', 'Uint8Array', 1],
  f16: ['u16', 'Uint16Array', 2],
  bf16: ['u16', 'Uint16Array', 2],
}

const TEXT: { readonly [P in Part]: readonly string[] } = {
  fround: ['const fround = Math.fround'],
  roundEven: [
    '/** The nearest integer, ties to even. */',
    'function roundEven(x) {',
    '  const r = Math.round(x)',
    '  return r - x === 0.5 && r % 2 !== 0 ? r - 1 : r',
    '}',
  ],
  bits: [
    'const scratch = new ArrayBuffer(8)',
    'const scratchF32 = new Float32Array(scratch)',
    'const scratchI32 = new Int32Array(scratch)',
    'const scratchU32 = new Uint32Array(scratch)',
    'function i32OfF32(x) { scratchF32[0] = x; return scratchI32[0] }',
    'function u32OfF32(x) { scratchF32[0] = x; return scratchU32[0] }',
    'function f32OfBits(x) { scratchI32[0] = x; return scratchF32[0] }',
  ],
  philox: [
    '/** High word of a 32 by 32 bit product. */',
    'function mulHigh(a, b) {',
    '  const al = a & 0xffff, ah = a >>> 16, bl = b & 0xffff, bh = b >>> 16',
    '  const mid = ah * bl + (al * bl >>> 16)',
    '  return ah * bh + Math.floor(mid / 65536) + (al * bh + (mid & 0xffff) >>> 16) | 0',
    '}',
    'const words = new Uint32Array(4)',
    'let wordsAt = -1, wordsOf0 = 0, wordsOf1 = 0, wordsOf2 = 0',
    '/** Word i of the Philox 4x32-10 stream (Salmon et al. 2011); the last block of four words is kept. */',
    'function philox(k0, k1, stream, i) {',
    '  const at = i >>> 2',
    '  if (at !== wordsAt || k0 !== wordsOf0 || k1 !== wordsOf1 || stream !== wordsOf2) {',
    '    wordsAt = at; wordsOf0 = k0; wordsOf1 = k1; wordsOf2 = stream',
    '    let c0 = at | 0, c1 = 0, c2 = stream | 0, c3 = 0, a = k0 | 0, b = k1 | 0',
    '    for (let round = 0; round < 10; round++) {',
    '      const h0 = mulHigh(0xd2511f53, c0), l0 = Math.imul(0xd2511f53, c0)',
    '      const h1 = mulHigh(0xcd9e8d57, c2), l1 = Math.imul(0xcd9e8d57, c2)',
    '      c0 = h1 ^ c1 ^ a; c1 = l1; c2 = h0 ^ c3 ^ b; c3 = l0',
    '      a = a + 0x9e3779b9 | 0; b = b + 0xbb67ae85 | 0',
    '    }',
    '    words[0] = c0; words[1] = c1; words[2] = c2; words[3] = c3',
    '  }',
    '  return words[i & 3]',
    '}',
  ],
}
