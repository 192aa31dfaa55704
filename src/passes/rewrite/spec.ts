import type { Node } from '../../ir/graph.ts'
import { labelsOf as parse, type Labels } from '../../ir/spec.ts'

/** The labels of a contraction's operands and result. */
export const labelsOf = (contract: Node): Labels => parse(contract.attrs.spec as string)!

/** Labels of both operands that are summed over, in the order of the first operand, which is that of the sums. */
export const contracted = ({ x, y, out }: Labels): string => [...x].filter((c) => y.includes(c) && !out.includes(c)).join('')

/** The same text without these letters. */
export const drop = (labels: string, letters: string): string => [...labels].filter((c) => !letters.includes(c)).join('')

/** The positions of these letters. */
export const positionsOf = (labels: string, letters: string): number[] =>
  [...labels].flatMap((c, i) => (letters.includes(c) ? [i] : []))
