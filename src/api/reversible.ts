import { checkList, checkOptions, checkTensors, showValue } from '../ir/arguments.ts'
import { checkAxis, checkDtype, FLOATS } from '../ir/checks.ts'
import { GradcError } from '../ir/errors.ts'
import type { Node } from '../ir/graph.ts'
import { custom } from '../ir/lang/custom.ts'
import { add, sub } from '../ir/lang/pointwise.ts'
import { scan } from '../ir/lang/scan.ts'
import type { Tensor } from '../ir/lang/tensor.ts'
import { concat, slice } from '../ir/lang/view.ts'
import { transplant } from '../ir/transplant.ts'
import { isFloat, sameType, showType } from '../ir/types.ts'
import { layerOf, type Child, type Layer } from '../nn/layer.ts'
import { Parameter } from '../nn/parameter.ts'
import { applied, applyAgain, standIn, type Applied } from './derivatives/applied.ts'
import { vjp } from './derivatives.ts'

/** Options of {@link reversible}. */
export interface ReversibleOptions {
  /** The axis that is cut into halves: 1 (default) for channels as in [N, C, H, W], -1 for [N, T, E]. */
  readonly axis?: number
}

/** A layer that can be computed backwards; see {@link reversible}. */
export interface Reversible extends Layer {
  readonly f: (x: Tensor) => Tensor
  readonly g: (x: Tensor) => Tensor
  readonly axis: number
}

/**
 * A reversible block: x is cut into halves x₁, x₂, and y is [y₁, y₂] with y₁ = x₁ + f(x₂), y₂ = x₂ + g(y₁). Reverse mode keeps
 * none of it but y: x₂ = y₂ − g(y₁) and x₁ = y₁ − f(x₂) are computed again on the way back, equal but for rounding. f and g are
 * layers, or functions, from a half to its own type: f32 or f64. Their parameters are named `f.…` and `g.…`.
 *
 *     const branch = () => nn.sequential(nn.linear(32, 32), nn.tanh)
 *     const net = reversibleSequence([0, 1, 2, 3].map(() => reversible(branch(), branch())))      // [N, 64]
 *
 * Blocks one after the other belong into {@link reversibleSequence}, which keeps the last y alone. f and g are called once, so
 * that dropout and running statistics work inside. The gradient may be differentiated again, in reverse; forward mode (jvp,
 * hvp) cannot pass.
 * Errors: option/invalid; applied: shape/axis, shape/invalid (an odd extent), shape/mismatch, dtype/mismatch,
 * dtype/unsupported.
 * Source: Gomez, Ren, Urtasun, Grosse, "The reversible residual network" (NeurIPS 2017).
 */
export function reversible(f: (x: Tensor) => Tensor, g: (x: Tensor) => Tensor, options: ReversibleOptions = {}): Reversible {
  checkOptions('reversible', options, ['axis'])
  const { axis = 1 } = options
  if (!Number.isSafeInteger(axis)) {
    const problem = `reversible: axis cannot be ${showValue(axis)}`
    throw new GradcError('option/invalid', problem, { hint: '1 for [N, C, H, W], -1 for [N, T, E]' })
  }
  for (const [name, child] of [['f', f], ['g', g]] as const) {
    if (!((child as unknown) instanceof Parameter)) continue
    const problem = `the ${name} of reversible is a parameter, which cannot be applied`
    throw new GradcError('option/invalid', problem, { hint: 'pass a layer' })
  }
  const children: (readonly [string, Child])[] = [['f', f], ['g', g]]
  const layer = layerOf(children, (x) => there([{ f, g }], x, axis))
  return Object.assign(layer, { f, g, axis })
}

/**
 * Reversible blocks one after the other: reverse mode keeps the last output alone and computes the inputs of all blocks again
 * from it, so that the memory of activations does not grow with the depth. Names are `0.f.…`, `0.g.…`, `1.f.…`. Rounding errors
 * of what is computed again grow with the depth, as those of the values themselves do. All blocks cut the same axis.
 * Errors: attr/invalid, option/invalid; applied: those of {@link reversible}.
 */
export function reversibleSequence(blocks: readonly Reversible[]): Layer {
  checkList('reversibleSequence', 'blocks', blocks)
  blocks.forEach((block: unknown, i) => {
    if (typeof block === 'function' && 'f' in block && 'g' in block && 'axis' in block) return
    const hint = 'reversibleSequence([reversible(f, g), reversible(f2, g2)])'
    const problem = `block ${i} of reversibleSequence is ${showValue(block)}, not a reversible block`
    throw new GradcError('option/invalid', problem, { hint })
  })
  const other = blocks.findIndex((block) => block.axis !== blocks[0].axis)
  if (!blocks.length || other >= 0) {
    const cut = (i: number): string => `block ${i} cuts axis ${blocks[i].axis}`
    const problem = other < 0 ? 'there is no block' : `${cut(other)}, ${cut(0)}`
    const hint = 'give blocks of one axis; join others by nn.sequential'
    throw new GradcError('option/invalid', `reversibleSequence: ${problem}`, { hint })
  }
  return layerOf(blocks.map((block, i) => [String(i), block]), (x) => there(blocks, x, blocks[0].axis))
}

type Block = Pick<Reversible, 'f' | 'g'>

/** The blocks as one value, whose adjoint goes back through them from nothing but what they gave. */
function there(blocks: readonly Block[], x: Tensor, axis: number): Tensor {
  checkDtype('reversible', FLOATS, [x])
  const at = checkAxis('reversible', axis, x.shape.length, [x])
  const walked: { readonly f: Applied; readonly g: Applied }[] = []
  let [y1, y2] = halves(x, at)
  for (const { f, g } of blocks) {
    const first = branch('f', f, y2)
    y1 = add(y1, first.results[0] as Tensor)
    const second = branch('g', g, y1)
    y2 = add(y2, second.results[0] as Tensor)
    walked.push({ f: first, g: second })
  }
  const reads = [...new Set(walked.flatMap(({ f, g }) => [...f.reads, ...g.reads]))]
  return custom([x, ...reads] as Tensor[], () => concat([y1, y2], at), ([, ...slots], y, ct) => {
    const slotOf = new Map(reads.map((n, i) => [n, slots[i]]))
    const totals = new Map<Node, Tensor>()
    const pull = (through: Applied, input: Tensor, ct: Tensor): Pulled => {
      const reading = through.reads.map((n) => slotOf.get(n)!)
      const pulled = pullBack(through, reading, input, ct)
      pulled.weights.forEach((w, i) => w && totals.set(reading[i], plus(totals.get(reading[i]), w)))
      return pulled
    }
    let [v1, v2] = halves(y, at)
    let [c1, c2] = halves(ct, at)
    for (const { f, g } of walked.toReversed()) {
      ;[v2, c1] = stepBack(v2, c1, pull(g, v1, c2))
      ;[v1, c2] = stepBack(v1, c2, pull(f, v2, c1))
    }
    return [concat([c1, c2], at), ...slots.map((slot) => totals.get(slot) ?? null)]
  })
}

/**
 * A half as it was before a branch was added to it, and the cotangent of the branch's input. In a loop of one step, which
 * computes both together and stores them: else the halves of all blocks could be computed long before the first of them is
 * needed, and the terms of the cotangents be kept until the last one is there.
 */
function stepBack(v: Tensor, c: Tensor, { value, cotangent }: Pulled): readonly [Tensor, Tensor] {
  if (!cotangent) return [sub(v, value), c]
  const { carry } = scan({ v, c }, {}, ({ v, c }) => ({ carry: { v: sub(v, value), c: add(c, cotangent) } }), { length: 1 })
  return [carry.v, carry.c]
}

const plus = (x: Tensor | null | undefined, y: Tensor): Tensor => (x ? add(x, y) : y)

function halves(x: Tensor, axis: number): [Tensor, Tensor] {
  const extent = x.shape[axis]
  if (extent % 2) {
    throw new GradcError('shape/invalid', `reversible cannot halve axis ${axis} of ${showType(x)}`, {
      parties: [{ label: 'x', node: x }],
      hint: 'take an even number of channels, or another axis: reversible(f, g, { axis: -1 })',
    })
  }
  const part = (start: number, stop: number): Tensor => slice(x, ...x.shape.map((_, i) => (i === axis ? { start, stop } : null)))
  return [part(0, extent / 2), part(extent / 2, extent)]
}

/** f or g on a half, and how it is built again. */
function branch(name: string, apply: (x: Tensor) => Tensor, x: Tensor): Applied {
  const y = apply(x)
  checkTensors(`${name} of reversible`, [y])
  if (sameType(x, y)) return applied([x], [y])
  const code = x.dtype === y.dtype ? 'shape/mismatch' : 'dtype/mismatch'
  throw new GradcError(code, `${name} of reversible takes ${showType(x)} and gives ${showType(y)}`, {
    parties: [{ label: 'x', node: x }, { label: 'y', node: y }],
    hint: 'what it gives is added to the other half: its type must be that of what it takes',
  })
}

interface Pulled {
  readonly value: Tensor
  /** Of the input; null where it is zero for every input. */
  readonly cotangent: Tensor | null
  /** Of each value that it reads; null for integers, too. */
  readonly weights: readonly (Tensor | null)[]
}

/** What a branch gives for an input, and what its cotangent comes to. */
function pullBack(through: Applied, reading: readonly Node[], input: Tensor, ct: Tensor): Pulled {
  // On stand-ins: the input depends on weights that a later block may share, and has no total derivative by them here.
  const [x, d] = [standIn(input), standIn(ct)]
  const [value] = applyAgain(through, [x], reading)
  const floats = reading.filter((n) => isFloat(n.dtype))
  const found = vjp([value], [x, ...floats], [d])
  const present = found.filter((n) => n !== null)
  const [y, ...made] = transplant(input.builder, [value, ...present], new Map([[x, input], [d, ct]]))
  const named = new Map(present.map((n, i) => [n, made[i] as Tensor]))
  const at = (i: number): Tensor | null => (found[i] ? named.get(found[i])! : null)
  const weights = reading.map((n) => (isFloat(n.dtype) ? at(1 + floats.indexOf(n)) : null))
  return { value: y as Tensor, cotangent: at(0), weights }
}
