import { showValue } from '../ir/arguments.ts'
import { GradcError } from '../ir/errors.ts'
import { peakKernel } from '../passes/pipeline.ts'
import type { ArenaBudget } from '../passes/checkpoint/index.ts'
import type { Plan } from '../ir/plan.ts'

/**
 * Bytes, text such as '512 KiB' or '1.5 MB', 'none', 'min' (as little as a plan is found for) or 'sqrt' (keep what passes between
 * about √n segments, and run each of them twice).
 */
export type Budget = number | string

const UNITS: Readonly<Record<string, number>> = { B: 1, kB: 1e3, KB: 1e3, MB: 1e6, GB: 1e9, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 }

/** The budget in bytes, Infinity for 'none', or the strategy by its name. */
export function budgetOf(budget: Budget): ArenaBudget {
  if (budget === 'none') return Infinity
  if (budget === 'min' || budget === 'sqrt') return budget
  const hint = "memoryBudget: 524288, '512 KiB', '1.5 MB', 'min', 'sqrt' or 'none'"
  const match = typeof budget === 'string' ? /^(\d+(?:\.\d+)?)\s*([kKMG]?i?B)$/.exec(budget.trim()) : null
  const bytes = typeof budget === 'number' ? budget : match && Object.hasOwn(UNITS, match[2]) ? Number(match[1]) * UNITS[match[2]] : NaN
  if (!(bytes >= 0)) throw new GradcError('option/invalid', `memory budget ${showValue(budget)} is not a number of bytes`, { hint })
  return Math.floor(bytes)
}

/**
 * Refuses a program whose arena is larger than the budget, naming what it needs and where. `scratchBytes`: what emitted
 * code needs beside the plans, for packed panels.
 */
export function holdBudget(plans: readonly Plan[], scratchBytes: number, budget: ArenaBudget): void {
  if (typeof budget !== 'number') return
  const plan = plans.reduce((a, b) => (b.arenaBytes > a.arenaBytes ? b : a))
  const needs = arenaOf(plans, scratchBytes)
  if (needs <= budget) return
  throw new GradcError('budget/infeasible', `${JSON.stringify(plan.name)} needs an arena of ${needs} bytes, the budget is ${budget}`, {
    hint: `the least budget is ${needs} bytes; most is live at kernel ${peakKernel(plan)}`,
  })
}

/** Bytes of the one arena that all functions use in turn, with the scratch behind it. */
export const arenaOf = (plans: readonly Plan[], scratchBytes: number): number =>
  align(Math.max(0, ...plans.map((p) => p.arenaBytes))) + scratchBytes

/** Regions of memory begin at multiples of 16 bytes. */
export const align = (bytes: number): number => Math.ceil(bytes / 16) * 16
