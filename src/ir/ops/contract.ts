import { checkDtype, checkSameDtype, NUMBERS, refuse } from '../checks.ts'
import { GradcError } from '../errors.ts'
import type { Node } from '../graph.ts'
import { apply } from '../lang/tensor.ts'
import type { OpDef } from '../op.ts'
import { labelsOf, specOf } from '../spec.ts'
import { plus, through } from './rules.ts'

const ORDINAL = ['first', 'second', 'third', 'fourth', 'fifth', 'sixth']
const dimension = (i: number, rank: number): string => (i === rank - 1 ? 'the last dimension' : `the ${ORDINAL[i] ?? `${i + 1}th`} dimension`)

function inferContract(operands: readonly Node[], spec: string): { readonly dtype: Node['dtype']; readonly shape: number[] } {
  const labels = labelsOf(spec)
  const bad = (why: string): never => refuse('attr/invalid', `contract: ${JSON.stringify(spec)} ${why}`, operands)
  if (!labels) return bad('is not of the form "ik,kj->ij"')
  checkSameDtype('contract', operands)
  checkDtype('contract', NUMBERS, operands)
  const extent = new Map<string, { readonly size: number; readonly at: number; readonly operand: number }>()
  ;[labels.x, labels.y].forEach((own, operand) => {
    const { shape } = operands[operand]
    if (own.length !== shape.length) bad(`names ${own.length} axes of an operand of rank ${shape.length}`)
    if (new Set(own).size < own.length) bad('names an axis of one operand twice')
    ;[...own].forEach((c, at) => {
      const other = extent.get(c)
      if (other && other.size !== shape[at]) {
        const [x, y] = operands
        throw new GradcError('shape/contract', `cannot contract ${other.size} with ${shape[at]}`, {
          parties: [
            { label: 'x', node: x },
            { label: 'y', node: y, mark: { axis: at, text: `must equal ${other.size}, ${dimension(other.at, x.shape.length)} of x` } },
          ],
          hint: `${JSON.stringify(c)} in ${JSON.stringify(spec)} names both: reshape or transpose one of them`,
        })
      }
      extent.set(c, { size: shape[at], at, operand })
    })
  })
  if (new Set(labels.out).size < labels.out.length) bad('names an axis of the result twice')
  if ([...labels.out].some((c) => !extent.has(c))) bad('has an axis of the result that no operand has')
  if ([...extent.keys()].some((c) => !labels.out.includes(c) && !(labels.x.includes(c) && labels.y.includes(c)))) bad('drops an axis of one operand only')
  return { dtype: operands[0].dtype, shape: [...labels.out].map((c) => extent.get(c)!.size) }
}

/** The same product with the result in the place of the operand that is asked for. */
function transposed(ct: Node, node: Node, at: number): Node {
  const { x, y, out } = labelsOf(node.attrs.spec as string)!
  const spec = at === 0 ? specOf({ x: out, y, out: x }) : specOf({ x: out, y: x, out: y })
  return apply('contract', [ct, node.operands[1 - at]], { spec })
}

/** Sum of products over named axes: matrix products, attention, convolutions over windows. Bilinear. */
export const CONTRACT: OpDef = {
  name: 'contract', arity: 2, attrs: ['spec'],
  infer: (operands, attrs) => inferContract(operands, attrs.spec as string),
  tangent: (_, [dx, dy], [x, y], { attrs }) =>
    plus(through(dx, (d) => apply('contract', [d, y], attrs)), through(dy, (d) => apply('contract', [x, d], attrs))),
  transpose: (_, ct, node, at) => transposed(ct, node, at),
  lowering: { kind: 'contract' },
}
