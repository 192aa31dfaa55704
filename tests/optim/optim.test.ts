import { describe, expect, test } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import type { Graph, Node, StateDecl } from '../../src/ir/graph.ts'
import { add, cast, mul, stopGradient } from '../../src/ir/lang/pointwise.ts'
import { argmax, sum } from '../../src/ir/lang/reduce.ts'
import type { Hyper, Optimizer } from '../../src/ir/optimizer.ts'
import { adam, adamw, chain, clipByGlobalNorm, sgd } from '../../src/optim/index.ts'
import { minimise, type MinimiseSpec } from '../../src/passes/differentiate/minimise.ts'
import { refusal, run } from '../passes/numbers.ts'
import { C, gradients, problem, START, statesAtStart, steps, type Parameters } from './stepping.ts'

/** Ten steps of an update rule for one number, `rule(θ, g, memory of that number, t = 1, 2, ...)`. */
function byHand(rule: (x: number, g: number, memory: { m: number; v: number }, t: number) => number): Parameters[] {
  let { w, v }: Parameters = START
  const memory = Array.from({ length: 4 }, () => ({ m: 0, v: 0 }))
  const trace: Parameters[] = []
  for (let t = 1; t <= 10; t++) {
    const g = gradients(w, v)
    w = w.map((x, i) => rule(x, g.w[i], memory[i], t))
    v = v.map((x, i) => rule(x, g.v[i], memory[3 + i], t))
    trace.push({ w, v })
  }
  return trace
}

function expectTrace(actual: Parameters[], expected: Parameters[]): void {
  expect(actual).toHaveLength(expected.length)
  actual.forEach((step, t) => {
    for (const name of ['w', 'v'] as const) {
      step[name].forEach((x, i) => {
        const y = expected[t][name][i]
        expect(Math.abs(x - y), `step ${t + 1}, ${name}[${i}]: ${x}, by hand ${y}`).toBeLessThan(1e-12 * (1 + Math.abs(y)))
      })
    }
  })
}

const adamByHand = (lr: (t: number) => number, b1: number, b2: number, eps: number, decay: number) =>
  byHand((x, g, s, t) => {
    s.m = b1 * s.m + (1 - b1) * g
    s.v = b2 * s.v + (1 - b2) * g * g
    const mHat = s.m / (1 - b1 ** t)
    const vHat = s.v / (1 - b2 ** t)
    return x - lr(t) * (mHat / (Math.sqrt(vHat) + eps) + decay * x)
  })

describe('ten steps against loops written from the papers', () => {
  test('sgd', () => {
    expectTrace(steps(sgd({ lr: 0.1 })).trace, byHand((x, g) => x - 0.1 * g))
  })

  test('sgd with momentum', () => {
    expectTrace(steps(sgd({ lr: 0.05, momentum: 0.9 })).trace, byHand((x, g, s) => {
      s.m = 0.9 * s.m + g
      return x - 0.05 * s.m
    }))
  })

  test('sgd with a momentum that is a function of the step', () => {
    const momentum: Hyper = ({ step }) => mul(step, 2 ** -4)
    expectTrace(steps(sgd({ lr: 0.05, momentum })).trace, byHand((x, g, s, t) => {
      s.m = (t - 1) * 2 ** -4 * s.m + g
      return x - 0.05 * s.m
    }))
  })

  test('sgd with Nesterov momentum', () => {
    expectTrace(steps(sgd({ lr: 0.05, momentum: 0.8, nesterov: true })).trace, byHand((x, g, s) => {
      s.m = 0.8 * s.m + g
      return x - 0.05 * (g + 0.8 * s.m)
    }))
  })

  test('adam with its defaults', () => {
    expectTrace(steps(adam()).trace, adamByHand(() => 1e-3, 0.9, 0.999, 1e-8, 0))
  })

  test('adam with every option', () => {
    expectTrace(steps(adam({ lr: 0.1, b1: 0.5, b2: 0.7, eps: 0.01 })).trace, adamByHand(() => 0.1, 0.5, 0.7, 0.01, 0))
  })

  test('adam without memory: b1 = b2 = 0', () => {
    expectTrace(steps(adam({ lr: 0.1, b1: 0, b2: 0 })).trace, adamByHand(() => 0.1, 0, 0, 1e-8, 0))
  })

  test('adamw', () => {
    expectTrace(steps(adamw({ lr: 0.05 })).trace, adamByHand(() => 0.05, 0.9, 0.999, 1e-8, 0.01))
    expectTrace(steps(adamw({ lr: 0.05, weightDecay: 0.3 })).trace, adamByHand(() => 0.05, 0.9, 0.999, 1e-8, 0.3))
  })

  test('a learning rate that is an input', () => {
    const lr = (t: number): number => 0.1 / (1 + t)
    expectTrace(steps(adamw({ lr: ({ inputs }) => inputs.lr, weightDecay: 0.1 }), lr).trace,
      adamByHand((t) => lr(t - 1), 0.9, 0.999, 1e-8, 0.1))
  })

  test('a learning rate that is a function of the step, which starts at 0', () => {
    // The step is an f32, and 2⁻⁷ is exact there.
    const lr: Hyper = ({ step }) => mul(add(step, 1), 2 ** -7)
    const { trace, states } = steps(sgd({ lr }))
    expectTrace(trace, byHand((x, g, _, t) => x - t * 2 ** -7 * g))
    expect(states['sgd:step']).toEqual([10])
  })

  test('clipping by the global norm before momentum', () => {
    const norms: number[] = []
    const expected: Parameters[] = []
    let { w, v }: Parameters = START
    const memory = [0, 0, 0, 0]
    for (let t = 0; t < 10; t++) {
      const g = gradients(w, v)
      const all = [...g.w, ...g.v]
      const norm = Math.sqrt(all.reduce((s, x) => s + x * x, 0))
      norms.push(norm)
      const next = [...w, ...v].map((x, i) => {
        memory[i] = 0.5 * memory[i] + all[i] * (norm > 1.5 ? 1.5 / norm : 1)
        return x - 0.3 * memory[i]
      })
      w = next.slice(0, 3)
      v = next.slice(3)
      expected.push({ w, v })
    }
    expect(norms.some((n) => n > 1.5) && norms.some((n) => n < 1.5)).toBe(true)
    expectTrace(steps(chain(clipByGlobalNorm(1.5), sgd({ lr: 0.3, momentum: 0.5 }))).trace, expected)
  })
})

describe('f32', () => {
  test('bias correction keeps its digits in the first steps', () => {
    const graph = minimise(problem('f32'), { loss: 'loss', optimizer: adam({ lr: 1 }) })
    const { updates } = run(graph, { c: C, lr: [0] }, statesAtStart(graph), 'declared')
    // The first step is lr·g/(|g| + eps): 1 up to rounding, whatever the gradient.
    updates.w.forEach((x, i) => expect(Math.abs(Math.abs(x - START.w[i]) - 1)).toBeLessThan(1e-6))
  })
})

describe('states', () => {
  const namesOf = (optimizer: Optimizer): string[] => minimise(problem(), { loss: 'loss', optimizer }).states.map((s) => s.name)

  test('have clear names, types and no place among the parameters', () => {
    expect(namesOf(sgd({ lr: 1 }))).toEqual(['w', 'v'])
    expect(namesOf(sgd({ lr: 1, momentum: 0.9 }))).toEqual(['w', 'v', 'sgd:momentum:w', 'sgd:momentum:v'])
    expect(namesOf(adam({ name: 'fast' }))).toEqual(['w', 'v', 'fast:m:w', 'fast:v:w', 'fast:step', 'fast:m:v', 'fast:v:v'])
    const { states } = minimise(problem('f32'), { loss: 'loss', optimizer: adam() })
    const types = Object.fromEntries(states.map((s) => [s.name, `${s.dtype}[${s.shape.join()}] ${s.trainable}`]))
    expect(types).toMatchObject({ 'adam:m:w': 'f32[3] false', 'adam:v:v': 'f32[] false', 'adam:step': 'i32[] false' })
  })

  test('are not renamed by a transform in front', () => {
    expect(namesOf(chain(clipByGlobalNorm(1), adam()))).toEqual(namesOf(adam()))
    const heavy = sgd({ lr: 1, momentum: 0.5 })
    const kinds = ['sgd.momentum', 'sgd1.momentum', 'momentum']
    expect(namesOf(chain(heavy, heavy, heavy))).toEqual(['w', 'v', ...kinds.flatMap((k) => [`sgd:${k}:w`, `sgd:${k}:v`])])
  })

  test('every update names a declared state of its type, once', () => {
    for (const optimizer of [sgd({ lr: 1 }), sgd({ lr: 1, momentum: 0.9 }), adam(), adamw()]) {
      const graph = minimise(problem(), { loss: 'loss', optimizer })
      const names = graph.updates.map((u) => u.name)
      expect(new Set(names).size).toBe(names.length)
      for (const { name, node } of graph.updates) {
        const decl = graph.states.find((s) => s.name === name) as StateDecl
        expect([node.dtype, node.shape]).toEqual([decl.dtype, decl.shape])
      }
    }
  })

  test('one optimiser in two functions owns the same states', () => {
    const optimizer = adam()
    const owners = [problem(), problem()].map((g) => minimise(g, { loss: 'loss', optimizer }).states.at(-1)!.owner)
    expect(owners[0]).toBe(owners[1])
  })

  test('two optimisers in one function, each with its parameters', () => {
    const once = minimise(problem(), { loss: 'loss', optimizer: adam(), wrt: ['w'] })
    const twice = minimise(once, { loss: 'loss', optimizer: sgd({ lr: 1 }), wrt: ['v'] })
    expect(twice.updates.map((u) => u.name)).toEqual(['w', 'adam:m:w', 'adam:v:w', 'adam:step', 'v'])
  })

  test('one optimiser twice in one function counts one step', () => {
    const optimizer = adam()
    const once = minimise(problem(), { loss: 'loss', optimizer, wrt: ['w'] })
    const twice = minimise(once, { loss: 'loss', optimizer, wrt: ['v'] })
    expect(twice.updates.map((u) => u.name)).toEqual(['w', 'adam:m:w', 'adam:v:w', 'adam:step', 'v', 'adam:m:v', 'adam:v:v'])
  })

  test('one function, two training steps of it', () => {
    const base = problem()
    const [one, two] = [adam({ lr: 1 }), adam({ lr: 2 })].map((optimizer) => minimise(base, { loss: 'loss', optimizer }))
    expect(two.states.map((s) => s.name)).toEqual(one.states.map((s) => s.name))
    expect(two.states.at(-1)!.owner).not.toBe(one.states.at(-1)!.owner)
    expect(base.builder.states).toHaveLength(2)
  })

  test('a parameter that is named as an optimiser names its states', () => {
    const graph = problem('f64', (b) => {
      b.state({ name: 'adam:m:w', dtype: 'f64', shape: [3], init: (x, t) => x.zeros(t), trainable: false, owner: {} })
    })
    const error = refusal(() => minimise(graph, { loss: 'loss', optimizer: adam() }))
    expect([error.code, error.hint]).toEqual(['state/duplicate', expect.stringContaining('optim.adam({ name:')])
  })

  test('two optimisers of one name in one function', () => {
    const once = minimise(problem(), { loss: 'loss', optimizer: adam(), wrt: ['w'] })
    expect(refusal(() => minimise(once, { loss: 'loss', optimizer: adam(), wrt: ['v'] })).code).toBe('state/duplicate')
  })
})

describe('minimise', () => {
  test('keeps results, inputs and name; takes only trainable states that the loss depends on', () => {
    const graph = problem('f64', (b) => {
      b.state({ name: 'unused', dtype: 'f64', shape: [2], init: (x, t) => x.zeros(t), trainable: true, owner: {} })
      b.state({ name: 'frozen', dtype: 'f64', shape: [2], init: (x, t) => x.zeros(t), trainable: false, owner: {} })
    })
    const step = minimise(graph, { loss: 'loss', optimizer: sgd({ lr: 1 }) })
    expect(step).toMatchObject({ name: 'train', inputs: graph.inputs, results: graph.results })
    expect(step.states.map((s) => s.name)).toEqual(['w', 'v', 'unused', 'frozen'])
    expect(step.updates.map((u) => u.name)).toEqual(['w', 'v'])
  })

  test('wrt chooses', () => {
    const step = minimise(problem(), { loss: 'loss', optimizer: sgd({ lr: 1 }), wrt: ['v'] })
    expect(step.updates.map((u) => u.name)).toEqual(['v'])
  })

  test('all results take the stable form, the parameters stay', () => {
    const graph = problem()
    const loss = graph.results[0].node
    const form = mul(loss, 2)
    const step = minimise(graph, {
      loss: 'loss', optimizer: sgd({ lr: 1 }), wrt: ['v'],
      stabilise: (roots, opaque) => {
        expect(roots).toEqual(graph.results.map((r) => r.node))
        expect([...opaque].map((n) => n.attrs.name)).toEqual(['v'])
        return new Map([[loss, form]])
      },
    })
    expect(step.results[0].node).toBe(form)
    const { updates } = run(step, { c: C, lr: [0] }, START)
    expect(updates.v[0]).toBeCloseTo(0.75 - 2 * gradients(START.w, START.v).v[0], 14)
  })

  const withState = (loss: (w: Node) => Node, trainable = true): Graph => {
    const b = new Builder()
    const w = b.state({ name: 'w', dtype: 'f64', shape: [3], init: (x, t) => x.zeros(t), trainable, owner: {} })
    const node = loss(w)
    return { name: 'train', builder: b, inputs: [], states: b.states, results: [{ name: 'loss', node }], updates: [] }
  }
  const tried = (graph: Graph, more: Partial<MinimiseSpec> = {}) =>
    refusal(() => minimise(graph, { loss: 'loss', optimizer: sgd({ lr: 1 }), ...more }))

  test.each([
    ['an unknown result', () => tried(problem(), { loss: 'los' }), 'option/invalid', 'its results are loss, rate'],
    ['an unknown state', () => tried(problem(), { wrt: ['x'] }), 'state/unknown', 'its states are w, v'],
    ['a frozen state by name', () => tried(withState(sum, false), { wrt: ['w'] }), 'option/invalid', 'not trainable'],
    ['a vector', () => tried(withState((w) => w)), 'grad/scalar', 'state f64[3] "w"'],
    ['an integer loss', () => tried(withState((w) => argmax(w, { axis: 0 }))), 'grad/dtype', 'i32'],
    ['no trainable state', () => tried(withState(sum, false)), 'grad/independent', 'no trainable state'],
    ['only stopped states', () => tried(withState((w) => sum(stopGradient(w)))), 'grad/independent', 'no trainable state'],
    ['a stopped state by name', () => tried(withState((w) => sum(stopGradient(w))), { wrt: ['w'] }), 'grad/independent', 'stop'],
    ['a state behind an integer', () => tried(withState((w) => cast(argmax(w, { axis: 0 }), 'f64'))), 'grad/dtype', 'argmax'],
    ['a second update', () => tried(minimise(problem(), { loss: 'loss', optimizer: adam() })), 'state/duplicate', 'already'],
  ] as const)('refuses %s', (_, body, code, text) => {
    const error = body()
    expect(error.code).toBe(code)
    expect(error.message).toContain(text)
  })
})

describe('options', () => {
  test.each([
    ['sgd without lr', () => sgd({} as { lr: number })],
    ['a negative lr', () => sgd({ lr: -0.1 })],
    ['lr NaN', () => adam({ lr: NaN })],
    ['lr infinite', () => adam({ lr: Infinity })],
    ['lr a string', () => adam({ lr: '0.1' as unknown as number })],
    ['momentum negative', () => sgd({ lr: 1, momentum: -1 })],
    ['momentum a string', () => sgd({ lr: 1, momentum: '0.9' as unknown as number })],
    ['nesterov without momentum', () => sgd({ lr: 1, nesterov: true })],
    ['b1 of 1', () => adam({ b1: 1 })],
    ['b2 negative', () => adam({ b2: -0.1 })],
    ['b2 NaN', () => adamw({ b2: NaN })],
    ['eps 0', () => adam({ eps: 0 })],
    ['weightDecay negative', () => adamw({ weightDecay: -1 })],
    ['an unknown option', () => adam({ beta1: 0.9 } as object)],
    ['weightDecay of plain adam', () => adam({ weightDecay: 0.1 } as object)],
    ['an empty chain', () => chain()],
    ['a chain of something else', () => chain({} as Optimizer)],
    ['a norm of 0', () => clipByGlobalNorm(0)],
  ])('refuses %s', (_, body) => {
    expect(refusal(body).code).toBe('option/invalid')
  })

  test.each(['', 'a:b', 3 as unknown as string])('refuses the name %j', (name) => {
    expect(refusal(() => adam({ name })).code).toBe('name/invalid')
  })

  test('a hyper-parameter that is no scalar, or no float', () => {
    const hyper = (lr: Hyper) => refusal(() => minimise(problem(), { loss: 'loss', optimizer: sgd({ lr }) })).code
    expect(hyper(({ inputs }) => inputs.c)).toBe('option/invalid')
    expect(hyper(({ step }) => cast(step, 'i32'))).toBe('option/invalid')
  })

  test('lr 0 is allowed', () => {
    expect(sgd({ lr: 0 }).name).toBe('sgd')
  })
})
