import { checkList, checkOptions, showValue } from '../ir/arguments.ts'
import { GradcError } from '../ir/errors.ts'
import type { Node } from '../ir/graph.ts'
import type { Entry, Optimizer } from '../ir/optimizer.ts'
import { numberedName } from './chain.ts'
import { inner } from './context.ts'
import { NOTHING } from './entries.ts'
import { checkName } from './hyper.ts'
import { checkOptimizer } from './inner.ts'

/** A pattern of names (`*` stands for any characters, dots included; or a RegExp), and what updates the parameters it matches. */
export type Group = readonly [pattern: string | RegExp, optimizer: Optimizer]

/** Options of {@link groups}. */
export interface GroupsOptions {
  /** Updates the parameters that no pattern matches; without it such a parameter is an error. */
  readonly otherwise?: Optimizer
  /** Begins the names of its states; default `groups`. */
  readonly name?: string
}

/** Leaves its parameters as they are; for a group of {@link groups}. Their gradients are not even computed. */
export const frozen: Optimizer = {
  name: 'frozen',
  update: (ctx, entries) => entries.map(({ parameter }) => ctx.builder.literal(NOTHING, parameter)),
}

/**
 * Groups of parameters by name, each with an optimiser of its own; the first pattern that matches wins:
 *
 *     groups([['encoder.*', frozen], ['*.bias', sgd({ lr: 0.1 })]], { otherwise: adamw() })
 *
 * Transforms within a group see that group only: clip all gradients together in front, chain(clipByGlobalNorm(1), groups(...)).
 * States: `groups:<optimiser>.<kind>:<parameter>`, numbered where optimisers of two groups have one name.
 * Errors: option/invalid, attr/invalid, name/invalid; at `minimize`, parameter/unmatched for a pattern that gets no parameter
 * and for a parameter that no pattern matches.
 */
export function groups(list: readonly Group[], options: GroupsOptions = {}): Optimizer {
  checkList('groups', 'groups', list)
  checkOptions('groups', options, ['otherwise', 'name'])
  const { otherwise, name = 'groups' } = options
  checkName(name)
  if (otherwise !== undefined) checkOptimizer('groups', otherwise)
  const patterns = list.map((group: unknown) => {
    if (!Array.isArray(group) || group.length !== 2) {
      throw new GradcError('option/invalid', `a group cannot be ${showValue(group)}`, {
        hint: "write ['encoder.*', optim.frozen]",
      })
    }
    checkOptimizer('groups', group[1])
    return matcher(group[0])
  })
  const optimizers = [...list.map((g) => g[1]), ...(otherwise ? [otherwise] : [])]
  return {
    name,
    update(ctx, entries) {
      const members = assigned(list, patterns, entries, otherwise !== undefined)
      const deltas = new Map<Entry, Node>()
      optimizers.forEach((optimizer, i) => {
        if (!members[i].length) return
        const own = inner(ctx, { prefix: `${numberedName(optimizers, i, optimizer.name)}.` })
        optimizer.update(own, members[i]).forEach((delta, j) => deltas.set(members[i][j], delta))
      })
      return entries.map((e) => deltas.get(e)!)
    },
  }
}

/** The members of each group, and of `otherwise` behind them. */
function assigned(
  list: readonly Group[], patterns: readonly RegExp[], entries: readonly Entry[], rest: boolean,
): readonly (readonly Entry[])[] {
  const members: Entry[][] = Array.from({ length: list.length + 1 }, () => [])
  for (const entry of entries) {
    const first = patterns.findIndex((p) => p.test(entry.name))
    if (first < 0 && !rest) {
      throw new GradcError('parameter/unmatched', `no group matches the parameter ${JSON.stringify(entry.name)}`, {
        parties: [{ label: 'x', node: entry.parameter }],
        hint: 'say what updates all others: { otherwise: optim.adamw() }, or { otherwise: optim.frozen }',
      })
    }
    members[first < 0 ? list.length : first].push(entry)
  }
  patterns.forEach((pattern, i) => {
    if (members[i].length) return
    const taken = entries.some((e) => pattern.test(e.name))
    const problem = taken ? 'matches only parameters that groups before it took' : 'matches no parameter'
    throw new GradcError('parameter/unmatched', `the pattern ${String(list[i][0])} ${problem}`, {
      hint: taken ? 'put the narrower pattern first' : `the parameters are ${entries.map((e) => e.name).join(', ')}`,
    })
  })
  return members
}

function matcher(pattern: unknown): RegExp {
  // Without g and y: those make a RegExp remember where it was.
  if (pattern instanceof RegExp) return new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''))
  if (typeof pattern === 'string' && pattern !== '') {
    return new RegExp(`^${pattern.split('*').map((part) => part.replace(/[\\^$.|?+()[\]{}/-]/g, '\\$&')).join('.*')}$`, 's')
  }
  throw new GradcError('option/invalid', `a pattern cannot be ${showValue(pattern)}`, {
    hint: "for example 'encoder.*' or /bias$/",
  })
}
