import type { Code } from './codes.ts'
import type { Node } from './graph.ts'
import { showSite } from './site.ts'
import { showType } from './types.ts'

/** A value that takes part in an error, with the role it plays. */
export interface Party {
  readonly label: string
  readonly node: Node
  /** Points at one extent of the value's shape, with what is wrong about it. */
  readonly mark?: { readonly axis: number; readonly text: string }
}

/**
 * An error for users: a code of codes.ts, the problem in one line, the values with the place of their declaration,
 * and how to go on. Nothing has been changed when it is thrown.
 */
export class GradcError extends Error {
  readonly code: Code
  readonly problem: string
  readonly hint: string | undefined
  constructor(code: Code, problem: string, more: { parties?: readonly Party[]; hint?: string; cause?: unknown } = {}) {
    const lines = [`${code}: ${problem}`]
    lines.push(...showParties(more.parties ?? []))
    if (more.hint) lines.push(`hint: ${more.hint}`)
    super(lines.join('\n'), { cause: more.cause })
    this.name = 'GradcError'
    this.code = code
    this.problem = problem
    this.hint = more.hint
  }
}

/** An error of gradc itself: a pass or emitter broke a promise. Carries where, so that it can be reported. */
export class InternalError extends Error {
  constructor(where: string, problem: string, detail = '') {
    super(`internal error in ${where}: ${problem}${detail ? `\n${detail}` : ''}\nthis is a defect of gradc, please report it`)
    this.name = 'InternalError'
  }
}

/** `state f32[700, 128] "w"  mnist.ts:15:11` */
export function showNode(node: Node): string {
  return `${showValue(node)}  ${showSite(node.source?.site() ?? null)}`.trimEnd()
}

function showValue(node: Node): string {
  const name = typeof node.attrs.name === 'string' ? ` ${JSON.stringify(node.attrs.name)}` : ''
  return `${node.op} ${showType(node)}${name}`
}

/** One line a value, sites in one column, and carets under the extents that are marked. */
function showParties(parties: readonly Party[]): string[] {
  const width = Math.max(0, ...parties.map(({ node }) => showValue(node).length))
  return parties.flatMap(({ label, node, mark }) => {
    const head = `  ${label.padEnd(3)} `
    const line = `${head}${showValue(node).padEnd(width)}  ${showSite(node.source?.site() ?? null)}`.trimEnd()
    if (!mark) return [line]
    const before = `${head}${node.op} ${node.dtype}[${node.shape.slice(0, mark.axis).map((d) => `${d}, `).join('')}`
    return [line, `${' '.repeat(before.length)}${'^'.repeat(String(node.shape[mark.axis]).length)} ${mark.text}`]
  })
}

/** The usual case: operands named x, y, z. */
export const parties = (...nodes: readonly Node[]): Party[] => nodes.map((node, i) => ({ label: 'xyzuvw'[i] ?? `#${i}`, node }))
