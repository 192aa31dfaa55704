// Kernels that differ only in where their buffers begin share their functions, which take that.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { lowerPlan } from '../../src/codegen/lower.ts'
import type { LoweredKernel, LoweredProgram, Nest } from '../../src/codegen/nest.ts'
import { twinsOf } from '../../src/codegen/twins.ts'
import { emitWasm, wasmText, type WasmOptions } from '../../src/codegen/wasm/emit.ts'
import { rootsOfNest } from '../../src/codegen/nest.ts'
import { Func } from '../../src/codegen/wasm/encoder/assembler.ts'
import { Shifts } from '../../src/codegen/wasm/shifts.ts'
import { savedBytes } from '../../src/codegen/wasm/twins.ts'
import { add, compile, f32, fn, i32, nn, optim, softmaxCrossEntropy } from '../../src/index.ts'
import { inOrder, type Expr } from '../../src/ir/expression.ts'
import type { Graph, Node } from '../../src/ir/graph.ts'
import type { DType } from '../../src/ir/types.ts'
import { layoutOf, planGraph } from '../../src/passes/plan.ts'
import { arbitraryGraph, stream } from '../generators.ts'
import { arbitraryStep, stepFrom } from '../properties/random-steps.ts'
import { locals, Threads, withoutThreads } from '../threads.ts'
import { Desk, foldNest, mapNest } from './memory.ts'
import { CASES } from './rows-cases.ts'
import { arbitraryExpr, arbitraryStore, runs, shapeOf } from './wasm-generators.ts'
import { Bench, differences, fill, form, hostFunctions, interpret, nest } from './wasm-reference.ts'

const ALWAYS = -Infinity
const NEVER = Infinity

/** Functions of the kernels that the text defines, with the number of their parameters. */
const functionsOf = (text: string): number[] => [...text.matchAll(/\(func \$k\d+(.*)/g)].map((m) => m[1].split('(param').length - 1)

/** The bytes that the program's functions leave, called in order. */
function run(program: LoweredProgram, memory: Uint8Array, options: WasmOptions): Uint8Array {
  const { bytes, imports } = emitWasm(program, options)
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { m: hostFunctions(imports) })
  const view = new Uint8Array((exports.memory as WebAssembly.Memory).buffer, 0, program.memoryBytes)
  view.set(memory)
  program.functions.forEach((_, i) => (exports[`f${i}`] as () => void)())
  return view
}

/** Bytes of small numbers in f32. */
function image(bytes: number, seed: number): Uint8Array {
  const next = stream(seed)
  return new Uint8Array(Float32Array.from({ length: Math.ceil(bytes / 4) }, () => next() * 4 - 2).buffer, 0, bytes)
}

function expectSameBytes(program: LoweredProgram, seed: number): void {
  const memory = image(program.memoryBytes, seed)
  const [got, want] = [ALWAYS, NEVER].map((saving) => run(program, memory, { saving }))
  expect(got.findIndex((b, i) => b !== want[i]), 'first other byte').toBe(-1)
}

/** Three pairs of arrays, and a kernel for each. */
function three(d: Desk, kernel: (x: Node, y: Node, i: number) => Nest): LoweredProgram {
  const kernels = [0, 1, 2].map((i) => d.kernel([kernel(d.node('f32', [12, 12]), d.node('f32', [12, 12]), i)]))
  return { ...d.program(), functions: [{ name: 'f', kernels }] }
}

/** y = 2 x along rows or columns, with an offset or a number that may differ. */
const scaled = (d: Desk, x: Node, y: Node, { by = 2, step = [12, 1], offset = 0 } = {}): Nest =>
  mapNest([6, 6], d.store(y, d.x.arith.mul(d.load(x, step, offset), d.x.lit(by, 'f32')), { index: { offset: 0, coefficients: [12, 1] } }))

const product = (d: Desk, x: Node, y: Node): Nest =>
  foldNest('sum', [11, 10], [11], d.x.arith.mul(d.load(x, [12, 0, 1]), d.load(x, [0, 1, 12], 1)), d.store(y, d.x.core('f32'), { index: { offset: 0, coefficients: [12, 1] } }))

describe('one function', () => {
  test('for maps over other arrays, with one parameter for all that lies equally far apart', () => {
    const d = new Desk()
    const program = three(d, (x, y) => scaled(d, x, y))
    const text = wasmText(program, { saving: ALWAYS })
    expect(functionsOf(text)).toEqual([1])
    // 1152 bytes from pair to pair are 9 · 2^7.
    expect(text).toMatch(/i32\.const 0\s+call \$k0\s+i32\.const 9\s+call \$k0\s+i32\.const 18\s+call \$k0/)
    expect(text).toMatch(/local\.get \$i0\s+i32\.const 7\s+i32\.shl/)
    expectSameBytes(program, 1)
  })
  test('with a parameter for each distance', () => {
    const d = new Desk()
    const arrays = Array.from({ length: 6 }, () => d.node('f32', [12, 12]))
    const kernels = [[0, 1], [2, 5], [4, 3]].map(([x, y]) => d.kernel([scaled(d, arrays[x], arrays[y])]))
    const program = { ...d.program(), functions: [{ name: 'f', kernels }] }
    expect(functionsOf(wasmText(program, { saving: ALWAYS }))).toEqual([2])
    expectSameBytes(program, 1)
  })
  test('for each form of tile of contractions, whose text is not small', () => {
    const d = new Desk()
    const program = three(d, (x, y) => product(d, x, y))
    const [together, apart] = [{}, { saving: NEVER }].map((options) => functionsOf(wasmText(program, options)).length)
    expect(apart).toBe(3 * together)
    expectSameBytes(program, 1)
  })
  test('without parameters where addresses are the same too', () => {
    const d = new Desk()
    const [x, y] = [d.node('f32', [12, 12]), d.node('f32', [12, 12])]
    const program = { ...d.program(), functions: [{ name: 'f', kernels: [0, 1].map(() => d.kernel([scaled(d, x, y)])) }] }
    expect(functionsOf(wasmText(program, { saving: ALWAYS }))).toEqual([0])
    expectSameBytes(program, 1)
  })
  test('in other functions of the program, and in the body of a loop', () => {
    const d = new Desk()
    const { functions: [{ kernels: [a, b, c] }], ...rest } = three(d, (x, y) => scaled(d, x, y))
    const moves = { before: [], enter: [], leave: [], after: [] }
    const loop: LoweredKernel = { ...a, nests: [], loop: { length: 3, reverse: false, ...moves, body: [a, b] } }
    const program = { ...rest, functions: [{ name: 'f', kernels: [loop] }, { name: 'g', kernels: [c] }] }
    expect(functionsOf(wasmText(program, { saving: ALWAYS }))).toEqual([1, 0])
    expectSameBytes(program, 1)
  })
})

describe('functions of their own, to the byte those of kernels alone,', () => {
  const expectApart = (program: LoweredProgram, options: WasmOptions = { saving: ALWAYS }): void => {
    const [got, want] = [options, { saving: NEVER }].map((o) => emitWasm(program, o).bytes)
    expect(Buffer.compare(got, want)).toBe(0)
  }
  test.each([
    ['numbers', (i: number) => ({ by: i + 2 })],
    ['zeros', (i: number) => ({ by: [0, -0, 1][i] })],
    ['steps', (i: number) => ({ step: [12 - i, 1] })],
    ['offsets', (i: number) => ({ offset: i })],
  ])('for other %s', (_, differ) => {
    const d = new Desk()
    expectApart(three(d, (x, y, i) => scaled(d, x, y, differ(i))))
  })
  test('where one reads what it writes, or an array that overlaps it', () => {
    const d = new Desk()
    const shift = [0, 4, 8]
    expectApart(three(d, (x, y, i) => scaled(d, i === 1 ? y : x, y, { by: i === 2 ? 3 : 2 })))
    const wide = d.node('f32', [400])
    const at = (x: Node, y: Node, i: number): Nest => ({ ...scaled(d, x, y), stores: [{ ...scaled(d, x, y).stores[0], address: d.address(x) + shift[i] }] })
    const kernels = [0, 1, 2].map((i) => d.kernel([at(wide, wide, i)]))
    expect(twinsOf({ ...d.program(), functions: [{ name: 'f', kernels }] }).map((g) => g.length)).toEqual([2])
    expectApart({ ...d.program(), functions: [{ name: 'f', kernels }] })
  })
  test('where what is saved is little', () => {
    const d = new Desk()
    expectApart(three(d, (x, y) => scaled(d, x, y)), {})
  })
  test('in programs whose kernels all differ', () => {
    const net = nn.sequential(nn.linear(7, 5), nn.tanh, nn.linear(5, 3))
    const { lowered } = compile({ f: fn({ x: f32(4, 7) }, ({ x }) => ({ y: net(x) })) }).compiled
    expectApart(lowered)
  })
})

test('a parameter counts from the lowest place, in the largest unit that fits', () => {
  const kernels = [0, 1, 2].map((i) => ({ name: `k${i}` }) as LoweredKernel)
  const shifts = new Shifts([[80, 500, 7, 96], [16, 500, 4, 32], [48, 500, 5, 64]].map((addresses, i) => ({ kernel: kernels[i], addresses })))
  expect(kernels.map((k) => shifts.valuesOf(k))).toEqual([[2, 3], [0, 0], [1, 1]])
  const [a, b] = new Func('f', ['i32', 'i32']).params
  expect([...shifts.within([a, b])]).toEqual([
    [80, { parameter: 0, given: a, doubled: 5, back: 64 }],
    [7, { parameter: 1, given: b, doubled: 0, back: 3 }],
    [96, { parameter: 0, given: a, doubled: 5, back: 64 }],
  ])
})

test('more is saved the more twins there are, and less the more is given to them', () => {
  const f = new Func('f')
  for (let i = 0; i < 40; i++) f.body.i32(i)
  const of = (twins: number, parameters: number): number => {
    const placed = Array.from({ length: twins }, (_, i) => ({ kernel: {} as LoweredKernel, addresses: Array.from({ length: parameters }, (__, p) => 16 * i ** (p + 1)) }))
    return savedBytes([f], new Shifts(placed), 1)
  }
  expect(of(4, 1)).toBeGreaterThan(of(3, 1))
  expect(of(3, 1)).toBeGreaterThan(of(3, 2))
  expect(of(3, 2)).toBeGreaterThan(0)
})

// --- At random ----------------------------------------------------------------------------------------------------------

/** The same kernel over new buffers in another order. */
function copyOf(b: Bench, kernel: LoweredKernel, order: readonly number[], originals: Bench['buffers']): LoweredKernel {
  const moved = new Map<number, Node>()
  for (const i of order) moved.set(originals[i].address, b.buffer(originals[i].node.dtype, originals[i].length))
  const at = (address: number): number => b.address(moved.get(address)!)
  const nests = kernel.nests.map((n) => ({ ...n, stores: n.stores.map((s) => ({ ...s, address: at(s.address) })) }))
  return { ...kernel, address: (node) => at(kernel.address(node)), nests }
}

const arbitraryNest = (b: Bench): fc.Arbitrary<Nest> => {
  const dtype = fc.constantFrom<DType>('f32', 'f32', 'f32', 'i32', 'f64', 'bool')
  const map = fc.tuple(shapeOf(3), dtype).chain(([free, d]) =>
    fc.array(arbitraryExpr(b, free, d, 2, null), { minLength: 1, maxLength: 2 })
      .chain((values) => fc.tuple(...values.map((v) => arbitraryStore(b, free, v)))).map((stores) => nest(free, stores)))
  const fold = fc.tuple(shapeOf(2), shapeOf(2).filter((r) => r.length > 0), fc.constantFrom('sum', 'max', 'argmin')).chain(([free, reduced, combine]) =>
    arbitraryExpr(b, [...free, ...reduced], 'f32', 2, null).chain((value) =>
      arbitraryStore(b, free, b.x.core(combine === 'argmin' ? 'i32' : 'f32'))
        .map((store) => nest(free, [store], { reduced, combine: combine as Nest['combine'], value }))))
  const load = (extents: readonly number[], coefficients: readonly number[]): Expr =>
    b.x.load(b.buffer('f32', 1 + extents.reduce((n, e, i) => n + (e - 1) * coefficients[i], 0)), form(0, ...coefficients))
  const contraction = fc.tuple(fc.integer({ min: 1, max: 19 }), fc.integer({ min: 1, max: 19 }), fc.integer({ min: 1, max: 19 }), fc.boolean(), fc.boolean())
    .chain(([m, n, k, turnA, turnB]) => {
      const value = b.x.arith.mul(load([m, n, k], turnA ? [1, 0, m] : [k, 0, 1]), load([m, n, k], turnB ? [0, k, 1] : [0, 1, n]))
      return arbitraryExpr(b, [m, n], 'f32', 2, 'f32').chain((v) => arbitraryStore(b, [m, n], v))
        .map((store) => nest([m, n], [store], { reduced: [k], combine: 'sum', value }))
    })
  return fc.oneof(map, fold, contraction, contraction)
}

test('random kernels and their copies elsewhere leave what the interpreter does', () => {
  let shared = 0
  const arbitrary = fc.constant(null).chain(() => {
    const b = new Bench()
    return fc.array(arbitraryNest(b), { minLength: 1, maxLength: 2 }).chain((nests) => {
      const originals = [...b.buffers]
      const orders = fc.shuffledSubarray([...originals.keys()], { minLength: originals.length })
      return fc.tuple(orders, orders).map((two) => ({ b, kernels: [b.kernel(...nests), ...two.map((o) => copyOf(b, b.kernel(...nests), o, originals))] }))
    })
  })
  fc.assert(fc.property(arbitrary, fc.nat(), ({ b, kernels }, seed) => {
    const program: LoweredProgram = { ...b.program(), functions: [{ name: 'f', kernels }] }
    const sizes = [ALWAYS, NEVER].map((saving) => functionsOf(wasmText(program, { saving })).length)
    expect(3 * sizes[0]).toBe(sizes[1])
    shared += Number(functionsOf(wasmText(program, { saving: ALWAYS }))[0] > 1)
    const memory = fill(b, program, seed, 0.05)
    const got = run(program, new Uint8Array(memory.slice(0)), { saving: ALWAYS })
    interpret(program, memory)
    expect(differences(b, got, new Uint8Array(memory))).toEqual([])
  }), runs(150))
  expect(shared).toBeGreaterThan(40)
})

/** The graph's kernels twice, over memories in which states, constants and the arena lie apart otherwise. */
function twice(graph: Graph): LoweredProgram {
  const layout = layoutOf([graph])
  const plan = planGraph(graph, layout)
  const [state, constant, arena] = [layout.stateBytes, layout.constantBytes, plan.arenaBytes].map((n) => 16 * Math.ceil(n / 16))
  const first = { state: 0, constant: state, arena: state + constant }
  const end = state + constant + arena
  const second = { arena: end + 48, state: end + 48 + arena, constant: end + 64 + arena + state }
  return { functions: [first, second].map((bases) => lowerPlan(plan, bases)), memoryBytes: second.constant + constant }
}

test('random graphs and training steps leave the same bytes whether kernels share code or not', () => {
  fc.assert(fc.property(arbitraryGraph(), fc.nat(), ({ graph }, seed) => expectSameBytes(twice(graph), seed)), runs(40))
  fc.assert(fc.property(arbitraryStep, fc.nat(), ({ program, roots }, seed) => expectSameBytes(twice(stepFrom(program, roots)), seed)), runs(40))
})

/** Each buffer of the kernel somewhere else, the row's own bytes as a whole. */
function scattered(kernel: LoweredKernel, to: (address: number) => number): LoweredKernel {
  const { local } = kernel
  const at = (address: number): number =>
    (local && address >= local.from && address < local.to ? address - local.from + to(local.from) : to(address))
  const nests = kernel.nests.map((n) => ({ ...n, stores: n.stores.map((s) => ({ ...s, address: at(s.address) })) }))
  const moved = local && { from: to(local.from), to: to(local.from) + local.to - local.from }
  return { ...kernel, address: (node) => at(kernel.address(node)), nests, local: moved }
}

describe.each(Object.entries(CASES))('row by row: %s', (_, graph) => {
  test('all of it at other places', () => {
    const program = twice(graph())
    const all = program.functions[0].kernels.flatMap((k) => (k.loop ? k.loop.body : [k])).length
    expect(twinsOf(program).flat()).toHaveLength(2 * all)
    expectSameBytes(program, 1)
  })
  test('each buffer at a place of its own', () => {
    const { functions: [first, { kernels }], memoryBytes } = twice(graph())
    const places = new Map<number, number>()
    const room = Math.ceil(memoryBytes / 32) * 16
    const to = (address: number): number => {
      if (!places.has(address)) places.set(address, memoryBytes + places.size * (room + 16 * places.size))
      return places.get(address)!
    }
    const moved = kernels.flatMap((k) => k.loop?.body ?? [k]).map((k) => scattered(k, to))
    for (const k of moved) for (const n of k.nests) for (const e of inOrder(rootsOfNest(n))) if ('node' in e) k.address(e.node)
    const program = { functions: [first, { name: 'elsewhere', kernels: moved }], memoryBytes: memoryBytes + (places.size + 1) * (room + 16 * places.size) }
    expect(twinsOf(program).length).toBeGreaterThan(0)
    expectSameBytes(program, 1)
  })
})

test('bytes of a row lie alike in twins, or they are none', () => {
  const d = new Desk()
  const of = (local: { from: number; to: number }): LoweredProgram => {
    const { functions: [{ name, kernels: [a, b] }], ...rest } = three(d, (x, y) => scaled(d, x, y))
    const { stores: [{ address }] } = b.nests[0]
    return { ...rest, functions: [{ name, kernels: [{ ...a, local: { from: a.nests[0].stores[0].address, to: a.nests[0].stores[0].address + 576 } }, { ...b, local: { from: address + local.from, to: address + local.to } }] }] }
  }
  expect(twinsOf(of({ from: 0, to: 576 }))).toHaveLength(1)
  expect(twinsOf(of({ from: -64, to: 512 }))).toHaveLength(0)
  expect(twinsOf(of({ from: 1024, to: 1600 }))).toHaveLength(0)
})

// --- Networks -----------------------------------------------------------------------------------------------------------

function lowered(blocks: number): LoweredProgram {
  const residual = (d: number): any => {
    const inner = nn.sequential(nn.linear(d, d), nn.tanh)
    return nn.model({ inner }, (layers: any, x: any) => add(x, layers.inner(x)))
  }
  const block = (): any[] => [nn.transformerBlock(24, 2), residual(24)]
  const net: any = nn.sequential(...Array.from({ length: blocks }, block).flat(), nn.linear(24, 9))
  const train = fn({ x: f32(2, 12, 24), y: i32(2, 12) }, ({ x, y }) => ({ loss: softmaxCrossEntropy(net(x), y) }))
  return compile({ train: train.minimize('loss', optim.adam({ lr: 1e-2 })) }).compiled.lowered
}

describe('a network of three transformer and residual blocks', () => {
  const program = lowered(3)
  test('trains to the same bits with shared code, in half of the bytes', () => {
    expectSameBytes(program, 3)
    const [together, apart] = [{}, { saving: NEVER }].map((options) => emitWasm(program, options).bytes.length)
    expect(together / apart).toBeLessThan(0.6)
  })
  test('adds little code with three blocks more', () => {
    const [three, six] = [program, lowered(6)].map((p) => emitWasm(p).bytes.length)
    expect(six / three).toBeLessThan(1.25)
  })
  test('leaves the same bytes on two threads', async () => {
    const want = withoutThreads(program, 5)
    const scratch = locals(program.functions.flatMap((f) => f.kernels))
    const [together, apart] = [{}, { saving: NEVER }].map((options) => emitWasm(program, { threads: 2, worth: 0, ...options }).bytes.length)
    expect(together / apart).toBeLessThan(0.65)
    const threads = new Threads()
    try {
      const got = await threads.run(program, 2, 5)
      expect(got.findIndex((b, i) => b !== want[i] && !scratch.some(({ from, to }) => i >= from && i < to)), 'first other byte').toBe(-1)
    } finally {
      threads.close()
    }
  })
})
