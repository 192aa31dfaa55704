// What the loop forth keeps for the loop back: the cheapest cut, in the least memory, and no function computed twice.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { add, compile, f32, fn, grad, mul, nn, relu, scan, sigmoid, sin, square, sum, tanh, type Tensor } from '../../src/index.ts'
import { topological, type Graph, type Node } from '../../src/ir/graph.ts'
import { bytesOf } from '../../src/ir/types.ts'
import { FlowNetwork } from '../../src/passes/differentiate/flow.ts'
import { costOf } from '../../src/passes/fuse/kinds.ts'
import { optimise } from '../../src/passes/pipeline.ts'

describe('the cheapest cut of a network', () => {
  const places = 6
  const pipe = fc.record({ from: fc.nat(places - 1), to: fc.nat(places - 1), capacity: fc.oneof(fc.nat(9), fc.constant(Infinity)) })
  const leaves = (side: readonly boolean[], pipes: readonly { from: number; to: number; capacity: number }[]): number =>
    pipes.reduce((n, p) => (side[p.from] && !side[p.to] ? n + p.capacity : n), 0)

  test('is as cheap as the best of all, and the nearest of those', () => {
    fc.assert(fc.property(fc.array(pipe, { maxLength: 16 }), (pipes) => {
      const sides = Array.from({ length: 2 ** (places - 2) }, (_, bits) =>
        [true, false, ...Array.from({ length: places - 2 }, (_, i) => ((bits >> i) & 1) === 1)])
      const least = Math.min(...sides.map((side) => leaves(side, pipes)))
      if (least === Infinity) return
      const network = new FlowNetwork()
      for (let i = 0; i < places; i++) network.place()
      for (const { from, to, capacity } of pipes) network.pipe(from, to, capacity)
      const near = network.cut(0, 1)
      expect(leaves(near, pipes)).toBe(least)
      for (const side of sides) if (leaves(side, pipes) === least) near.forEach((is, i) => is && expect(side[i]).toBe(true))
    }), { numRuns: 2000 })
  })
})

type Inputs = Readonly<Record<string, Tensor>>
/** The loops back of a gradient, and the loop forth, each once. */
function loopsOf(
  shapes: Readonly<Record<string, readonly number[]>>, loss: (x: Inputs) => Tensor, layers: readonly nn.Layer[] = [],
): { forth: Graph; back: Graph } {
  const { graph } = fn(Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, f32(...shape)])), (x) => {
    const value = loss(x)
    const wrt = [...Object.values(x), ...layers.flatMap((l) => l.parameters).map((p) => p.of(value))] as Tensor[]
    return { value, ...Object.fromEntries(grad(value, wrt).map((g, i) => [`d${i}`, g])) }
  })
  const loops = topological(optimise(graph, {}).results.map((r) => r.node)).filter((n) => n.regions.length)
  const at = (reverse: number): Graph => loops.find((n) => n.attrs.reverse === reverse)!.regions[0]
  return { forth: at(0), back: at(1) }
}
/** Functions such as tanh. */
const functionsIn = (body: Graph): string[] => topological(body.results.map((r) => r.node)).filter((n) => costOf(n) >= 12).map((n) => n.op)
const keptBy = ({ forth }: { forth: Graph }): Node[] => forth.results.filter((r) => r.name.startsWith('y')).map((r) => r.node)

describe('a loop back', () => {
  const sizes = { input: 3, hidden: 4 }

  test.each([
    ['rnn', nn.rnn(sizes)],
    ['relu', nn.rnn({ ...sizes, nonlinearity: 'relu' })],
    ['gru', nn.gru(sizes)],
    ['lstm', nn.lstm(sizes)],
  ] as const)('of %s computes no function again that the loop forth has computed', (_, net) => {
    const { back } = loopsOf({ x: [2, 5, 3] }, ({ x }) => sum(square(net.run(x as Tensor<'f32'>).h)), [net])
    expect(functionsIn(back)).toEqual([])
  })

  test('of an LSTM reads gates, which are kept as one value in place of what the step read', () => {
    const net = nn.lstm(sizes)
    const kept = keptBy(loopsOf({ x: [2, 5, 3] }, ({ x }) => sum(square(net.run(x as Tensor<'f32'>).h)), [net]))
    // Beside them c before a step, its tanh, and h after it.
    expect(kept.map((n) => n.op).sort()).toEqual(['concat', 'input', 'mul', 'tanh'])
    const gates = kept.find((n) => n.op === 'concat')!
    expect(gates.operands.map((o) => o.op).sort()).toEqual(['sigmoid', 'sigmoid', 'sigmoid', 'tanh'])
    expect(bytesOf(gates)).toBe(bytesOf({ dtype: 'f32', shape: [2, 16] }))
  })

  test('of a relu reads one byte an element, not the number', () => {
    const loops = loopsOf({ x: [5, 4], h: [4] }, ({ x, h }) => sum(scan({ h }, { x }, ({ h }, { x }) => ({ carry: { h: relu(add(sin(h), x)) } })).carry.h))
    expect(keptBy(loops).map((n) => [n.dtype, bytesOf(n)]).sort()).toEqual([['bool', 4], ['f32', 16]])
  })

  test('reads what no step changes, made once', () => {
    const { back } = loopsOf({ x: [40, 4], h: [4], k: [4] }, ({ x, h, k }) => {
      const { carry } = scan({ h }, { x }, ({ h }, { x }) => ({ carry: { h: mul(add(h, x), sigmoid(tanh(k))) } }))
      return sum(square(carry.h))
    })
    expect(functionsIn(back)).toEqual([])
  })

  test('makes cheap things again from few values', () => {
    const loops = loopsOf({ x: [5, 4], h: [4] }, ({ x, h }) => {
      const { carry } = scan({ h }, { x }, ({ h }, { x }) => {
        const y = tanh(add(h, x))
        return { carry: { h: mul(mul(y, add(y, 1)), mul(add(square(y), -2), y)) } }
      })
      return sum(carry.h)
    })
    expect(keptBy(loops).map((n) => n.op)).toEqual(['tanh'])
  })
})

describe('in memory', () => {
  const [B, T, H] = [4, 64, 16]
  const arenaOf = (net: nn.Lstm | nn.Rnn, of: (x: Tensor<'f32'>) => Tensor): number =>
    compile({ f: fn({ x: f32(B, T, 4) }, ({ x }) => {
      const loss = sum(square(of(x)))
      return { d: grad(loss, net.parameters.map((p) => p.of(loss))[1]) }
    }) }).memory.functions.f.arenaBytes
  const input = 4 * T * B * 4
  const hidden = 4 * T * B * H

  test('four gates of an LSTM take the place of the product with all inputs, beside h, c and its tanh', () => {
    const net = nn.lstm({ input: 4, hidden: H })
    expect(arenaOf(net, (x) => net.run(x).h)).toBeLessThan(1.1 * (input + 7 * hidden))
  })

  test('cotangents take the place of gates where a segment of steps runs again', () => {
    const net = nn.lstm({ input: 4, hidden: H, checkpoint: 'sqrt' })
    const segment = hidden / 8
    const parameters = 4 * 4 * H * (4 + H)
    // The input twice; h and c between segments, and seven values of each step of one; a gradient of weights, and as much for one step.
    expect(arenaOf(net, (x) => net.run(x).h)).toBeLessThan(1.05 * (2 * input + 9 * segment + 2 * parameters))
  })

  test('gates are computed where they are kept, and read from there', () => {
    const net = nn.lstm({ input: 4, hidden: H })
    const { plans } = compile({ f: fn({ x: f32(B, T, 4) }, ({ x }) => {
      const loss = sum(square(net.run(x).h))
      return { d: grad(loss, net.parameters.map((p) => p.of(loss))[1]) }
    }) }).compiled
    const { kernels } = plans[0].kernels.find((k) => k.loop && !k.loop.reverse)!.loop!.plan
    const stored = kernels.flatMap((k) => k.stores.map((s) => s.node))
    expect(stored.filter((n) => n.op === 'sigmoid')).toEqual([])
    // The product, the gates, and what becomes of them.
    expect(kernels.filter((k) => [...k.loads, ...k.stores].some(({ node }) => node.op === 'concat')).length).toBe(2)
  })

  test('what h was before each step is what it was after another', () => {
    const net = nn.rnn({ input: 4, hidden: H })
    // h of all steps, and the product with all inputs, which becomes the gradient by it.
    for (const of of [(x: Tensor<'f32'>) => net(x), (x: Tensor<'f32'>) => net.run(x).h]) {
      expect(arenaOf(net, of)).toBeLessThan(1.2 * (input + 2 * hidden))
    }
  })
})
