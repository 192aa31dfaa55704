// Functions with rows in them, as the pipeline hands them to the planner: shared by the tests of plans and of both targets.
import {
  add, bool, exp, f32, fn, grad, i32, logSoftmax, max, mean, mul, nn, optim, scan, softmax, softmaxCrossEntropy, sub, sum,
} from '../../src/index.ts'
import type { Graph } from '../../src/ir/graph.ts'
import { passes } from '../../src/passes/pipeline.ts'
import { runPasses } from '../../src/passes/runner.ts'

/** A function of tensors, whatever their types. */
const graphOf = (specs: object, body: (x: any) => any, finish: (f: any) => { graph: Graph } = (f) => f): Graph =>
  runPasses(finish(fn(specs as any, body)).graph, passes, { fastMath: false, verify: true })

const LOGITS = f32(40, 130)
const [BATCH, HEADS, LENGTH] = [2, 3, 24]
const HEADED = f32(BATCH, HEADS, LENGTH, 16)

const attention = ({ q, k, v, m }: any, options: object): any => nn.scaledDotProductAttention(q, k, v, m ? { ...options, mask: m } : options)

/** The gradients of these operands under a fixed weighting of the result. */
const adjoint = (x: any, y: any, ...of: string[]): object => {
  const loss = sum(mul(y, x.w) as any)
  return Object.fromEntries(of.map((name) => [`d${name}`, grad(loss, x[name])]))
}

/** Attention, causal, over enough queries for blocks of them. */
export const LONG = (): Graph => {
  const x = f32(1, 2, 128, 8)
  return graphOf({ q: x, k: x, v: x }, (o) => ({ y: attention(o, { causal: true }) }))
}

export const CASES: { readonly [name: string]: () => Graph } = {
  softmax: () => graphOf({ x: LOGITS }, ({ x }) => ({ y: softmax(x) })),
  'softmax under two leading axes': () => graphOf({ x: f32(3, 17, 130) }, ({ x }) => ({ y: softmax(x) })),
  'log-softmax': () => graphOf({ x: LOGITS }, ({ x }) => ({ y: logSoftmax(x) })),
  'softmax, adjoint': () => graphOf({ x: LOGITS, w: LOGITS }, (x) => adjoint(x, softmax(x.x), 'x')),
  'cross-entropy and its gradient': () => graphOf({ x: LOGITS, y: i32(40) }, ({ x, y }) => {
    const loss = softmaxCrossEntropy(x, y)
    return { loss, dx: grad(loss, x) }
  }),
  'layer norm': () => graphOf({ x: f32(5, 9, 130) }, ({ x }) => ({ y: nn.layerNorm(130)(x) })),
  'layer norm, adjoint': () => graphOf({ x: f32(5, 9, 130), w: f32(5, 9, 130) }, (x) => adjoint(x, nn.layerNorm(130)(x.x), 'x')),
  attention: () => graphOf({ q: HEADED, k: HEADED, v: HEADED }, (x) => ({ y: attention(x, {}) })),
  'causal attention, adjoint': () =>
    graphOf({ q: HEADED, k: HEADED, v: HEADED, w: HEADED }, (x) => adjoint(x, attention(x, { causal: true }), 'q', 'k', 'v')),
  'masked attention, adjoint': () =>
    graphOf({ q: HEADED, k: HEADED, v: HEADED, w: HEADED, m: bool(BATCH, 1, LENGTH, LENGTH) }, (x) => adjoint(x, attention(x, {}), 'q', 'k', 'v')),
  'a training step of a transformer': () => graphOf({ x: f32(2, 24, 32), y: i32(2, 24) }, ({ x, y }) => {
    const net: any = nn.sequential(nn.transformerBlock(32, 2), nn.layerNorm(32), nn.linear(32, 40))
    return { loss: softmaxCrossEntropy(net(x), y) }
  }, (f) => f.minimize('loss', optim.adam({ lr: 1e-2 }))),
  'rows in the body of a loop': () => graphOf({ xs: f32(4, 20, 130), h: f32(20, 130) }, ({ xs, h }) => {
    const { carry, out } = scan({ h }, { x: xs }, ({ h: c }: any, { x: s }: any) => {
      const y: any = softmax(mul(add(c, 1), s) as any)
      return { carry: { h: y }, out: { y: sub(y, max(y, { axis: -1, keepdims: true }) as any) } } as any
    }) as any
    return { h: carry.h, y: out.y }
  }),
  'batch statistics, over rows that are not contiguous': () => graphOf({ x: f32(6, 8, 140) }, ({ x }) => {
    const centred: any = sub(x, mean(x, { axis: [0, 2], keepdims: true }) as any)
    const square: any = mul(centred, centred)
    return { y: exp(sub(square, mean(square, { axis: [0, 2], keepdims: true }) as any)) }
  }),
}
