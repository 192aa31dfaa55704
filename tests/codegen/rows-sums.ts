// Random functions whose sums run over rows: attention with its adjoint under all kinds of masks, and limits so small that a few
// queries are blocks.
import fc from 'fast-check'
import { add, bool, f32, fn, grad, mul, nn, sum } from '../../src/index.ts'
import type { Graph } from '../../src/ir/graph.ts'
import { carriedBy } from '../../src/ir/rows.ts'
import type { Plan } from '../../src/ir/plan.ts'
import { passes } from '../../src/passes/pipeline.ts'
import { runPasses } from '../../src/passes/runner.ts'
import type { PlanOptions } from '../../src/passes/plan.ts'

/** Everything that can run row by row does, in blocks of at least so many points wherever a row takes more than so many bytes. */
export const inBlocks = (leastBlock: number, blockBytes = 0): PlanOptions =>
  ({ rows: { shortest: 1, rowBytes: Infinity, blockBytes, leastBlock, smallBytes: 0, rebuildBytes: 0 } })

export const arbitraryLimits: fc.Arbitrary<PlanOptions> =
  fc.record({ leastBlock: fc.integer({ min: 1, max: 3 }), blockBytes: fc.constantFrom(0, 100, 400, 1000) })
    .map(({ leastBlock, blockBytes }) => inBlocks(leastBlock, blockBytes))

const size = (max: number): fc.Arbitrary<number> => fc.integer({ min: 1, max })

/** What {@link attentionFrom} reads. */
export const arbitraryAttention = fc.record({
  batch: size(2), heads: size(3), shared: fc.boolean(), queries: size(9), keys: size(9), width: size(6), out: size(6),
  causal: fc.boolean(), mask: fc.constantFrom('none', 'padded', 'biased'), dropout: fc.constantFrom(0, 0, 0.4),
  of: fc.subarray(['q', 'k', 'v'], { minLength: 1 }), twice: fc.boolean(), kept: fc.boolean(),
})

type Attention = typeof arbitraryAttention extends fc.Arbitrary<infer T> ? T : never

/** One head, whose scores are large beside all that they are made of. */
export const oneHead = (positions: number, more: Partial<Attention> = {}): Graph => attentionFrom({
  batch: 1, heads: 1, shared: false, queries: positions, keys: positions, width: 2, out: 2, causal: true, mask: 'none', dropout: 0,
  of: ['q', 'k', 'v'], twice: false, kept: true, ...more,
})

/** Attention and gradients; `shared`: of one head of keys and values for all of queries, `twice`: two readers of its values, `kept`: its result is asked for too. */
export function attentionFrom({ batch, heads, shared, queries, keys, width, out, causal, mask, dropout, of, twice, kept }: Attention): Graph {
  const specs: any = {
    q: f32(batch, heads, queries, width), w: f32(batch, heads, queries, out),
    k: f32(batch, shared ? 1 : heads, keys, width), v: f32(batch, shared ? 1 : heads, keys, out),
    ...(mask === 'padded' ? { m: bool(batch, 1, 1, keys) } : mask === 'biased' ? { m: f32(heads, queries, keys) } : {}),
  }
  const f = fn(specs, (x: any): any => {
    const y: any = nn.scaledDotProductAttention(x.q, x.k, x.v, { causal, dropout, ...(x.m && { mask: x.m }) })
    const loss: any = sum(mul(twice ? add(mul(y, y), y) as any : y, x.w))
    return { ...(kept ? { y } : {}), ...Object.fromEntries(of.map((name) => [`d${name}`, grad(loss, x[name])])) }
  })
  return runPasses(f.graph, passes, { fastMath: false, verify: true })
}

/** How many parts of the plan's row kernels sum over rows. */
export const sumsOverRows = ({ kernels }: Plan): number =>
  kernels.reduce((n, k) => n + (k.rows?.parts.filter((p) => carriedBy(p).length).length ?? 0), 0)
