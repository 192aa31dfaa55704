import type { Problem } from '../src/passes/checkpoint/problem.ts'

/** More nodes than this are not planned in any time that one would wait. */
const MOST_NODES = 50_000
const MOST_OPERANDS = 5_000_000

/** What a file says is no graph. The message is for whoever wrote the file. */
export class BadGraph extends Error {}

/**
 * Reads `{ bytes[], cost[], operands[][] }`: one value a node, nodes in an order in which they can run. Every number is checked.
 * @throws BadGraph that says which node is wrong, and how
 */
export function problemFrom(text: string): Problem {
  const { bytes, cost, operands } = recordFrom(text)
  const count = bytes.length
  if (cost.length !== count || operands.length !== count) {
    const lengths = `${count}, ${cost.length} and ${operands.length}`
    throw new BadGraph(`bytes, cost and operands must be equally long, but have ${lengths} entries`)
  }
  if (count > MOST_NODES) throw new BadGraph(`${count} nodes are too many, at most ${MOST_NODES} can be planned`)
  let edges = 0
  let sum = 0
  let total = 0
  const tasks = bytes.map((size, i) => {
    if (!Number.isSafeInteger(size) || (size as number) < 0) {
      throw new BadGraph(`bytes[${i}] must be a whole number from 0 up, got ${show(size)}`)
    }
    const work = cost[i]
    if (typeof work !== 'number' || !Number.isFinite(work) || work < 0) {
      throw new BadGraph(`cost[${i}] must be a number from 0 up, got ${show(work)}`)
    }
    sum += size as number
    total += work
    const reads = operandsOf(operands[i], i, count)
    edges += reads.length
    return { cost: work, reads, writes: [i] }
  })
  if (!Number.isSafeInteger(sum)) throw new BadGraph('all bytes together are more than 2^53 - 1')
  if (!Number.isFinite(total)) throw new BadGraph('the sum of all costs is not finite')
  if (edges > MOST_OPERANDS) throw new BadGraph(`${edges} operands are too many, at most ${MOST_OPERANDS} can be planned`)
  return { tasks, bytes: bytes as number[] }
}

function recordFrom(text: string): Record<'bytes' | 'cost' | 'operands', unknown[]> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new BadGraph(`not JSON: ${(error as Error).message.slice(0, 200)}`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new BadGraph('must hold an object with bytes, cost and operands')
  }
  const list = (name: string): unknown[] => {
    const found: unknown = Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined
    if (!Array.isArray(found)) throw new BadGraph(`${name} must be a list`)
    return found
  }
  return { bytes: list('bytes'), cost: list('cost'), operands: list('operands') }
}

function operandsOf(list: unknown, node: number, count: number): number[] {
  if (!Array.isArray(list)) throw new BadGraph(`operands[${node}] must be a list, got ${show(list)}`)
  for (const operand of list as unknown[]) {
    if (!Number.isSafeInteger(operand) || (operand as number) < 0 || (operand as number) >= count) {
      throw new BadGraph(`node ${node} reads ${show(operand)}, which is no node: they are 0 to ${count - 1}`)
    }
    if ((operand as number) >= node) {
      throw new BadGraph(
        operand === node
          ? `node ${node} reads itself`
          : `node ${node} reads node ${operand}, which comes later: nodes must stand in an order in which they can run`,
      )
    }
  }
  return [...new Set(list as number[])]
}

const show = (value: unknown): string => (JSON.stringify(value) ?? 'nothing').slice(0, 40)
