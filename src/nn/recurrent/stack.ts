import { checkTensors } from '../../ir/arguments.ts'
import { scan, type Step } from '../../ir/lang/scan.ts'
import type { Tensor } from '../../ir/lang/tensor.ts'
import { concat, reshape, slice, stack, transpose } from '../../ir/lang/view.ts'
import { dropped } from '../dropout.ts'
import type { Parameter } from '../parameter.ts'
import type { Carry, Formula } from './formulas.ts'
import type { RecurrentOptions } from './options.ts'
import { checkInput, startOf } from './state.ts'
import { weights, type Weights } from './weights.ts'

/** Layers of directions over one formula. */
export interface Stack {
  readonly parameters: readonly (readonly [string, Parameter])[]
  /** The outputs of the last layer, as `out`, and each carry after the last step. */
  run(x: Tensor, state: unknown): { readonly out: Tensor } & Carry
}

/** Makes the weights of all layers, and what runs them. */
export function stacked(formula: Formula, options: Required<RecurrentOptions>): Stack {
  const { input, hidden, layers, dropout, bidirectional, batchFirst, checkpoint } = options
  const { name, carries } = formula
  const directions = bidirectional ? ['', '_reverse'] : ['']
  const all = Array.from({ length: layers }, (_, l) =>
    directions.map((suffix) => weights(formula, { ...options, inputs: l ? hidden * directions.length : input }, `_l${l}${suffix}`)))

  /** One direction over all steps: x as `axes` name it, outputs [T, B, hidden]. */
  const oneWay = (w: Weights, x: Tensor, axes: string, start: Carry, reverse: boolean): { out: Tensor; carry: Carry } => {
    const stepped = (said: Tensor, carry: Carry): Step<Carry, { h: Tensor }> => {
      const next = w.step(said, carry)
      return { carry: next, out: { h: next.h } }
    }
    // The input's product for all steps at once is fast, and large: who asks to keep little gets it step by step.
    const { carry, out } = checkpoint === 'all'
      ? scan(start, { said: w.fromInput(x, `${axes}k,gk->tbg`) }, (carry, { said }) => stepped(said, carry), { reverse })
      : scan(start, { x: axes === 'bt' ? transpose(x, [1, 0, 2]) : x }, (carry, now) => stepped(w.fromInput(now.x, 'bk,gk->bg'), carry), { reverse, checkpoint })
    return { out: out.h, carry }
  }

  return {
    parameters: all.flat().flatMap((w) => w.parameters),
    run: (x, state) => {
      checkTensors(name, [x])
      const axes = batchFirst ? 'bt' : 'tb'
      checkInput(name, x, batchFirst ? ['B', 'T'] : ['T', 'B'], { features: input, dtype: options.dtype })
      const batch = x.shape[axes.indexOf('b')]
      const start = startOf(name, x, carries, { dtype: x.dtype, shape: [layers * directions.length, batch, hidden] }, state)
      const ended: Carry[] = []
      let y = x
      all.forEach((ways, l) => {
        const outs = ways.map((w, d) => {
          const at = l * directions.length + d
          const first = Object.fromEntries(carries.map((c) => [c, row(start[c], at)]))
          const { out, carry } = oneWay(w, y, l ? 'tb' : axes, first, d === 1)
          ended.push(carry)
          return out
        })
        y = outs.length > 1 ? concat(outs, 2) : outs[0]
        if (l < layers - 1) y = dropped(name, y, dropout, y.shape)
      })
      const last = Object.fromEntries(carries.map((c) => [c, stack(ended.map((e) => e[c]))]))
      return { out: batchFirst ? transpose(y, [1, 0, 2]) : y, ...last }
    },
  }
}

/** x[i] of [rows, B, hidden]. */
const row = (x: Tensor, i: number): Tensor => reshape(slice(x, { start: i, stop: i + 1 }), x.shape.slice(1))
