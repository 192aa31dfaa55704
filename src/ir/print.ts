import { showValue } from './arguments.ts'
import { kindOf, sameAttr, showNumber, toHex } from './attributes.ts'
import { GradcError } from './errors.ts'
import { rootsOf, topological, type Attr, type Graph, type Node } from './graph.ts'
import { isOp, opNamed } from './ops/index.ts'
import { DTYPES, showType, type DType, type TypedArray } from './types.ts'

/** Constants up to this many elements are printed as a list, larger ones as bytes. */
const LIST_LIMIT = 32

/**
 * The graph as text, one line a node in topological order, numbered densely from %0 in that order, so that equal
 * graphs give equal text. Everything but declaration sites and the first values of states is told exactly:
 *
 *     graph "predict" {
 *       state "weight" f32[10, 784] trainable
 *       %0 = input f32[64, 784] "x"
 *       %1 = state f32[10, 784] "weight"
 *       %2 = contract f32[64, 10] %0, %1 {spec = "ik,jk->ij"}
 *       result "logits" %2
 *     }
 *
 * Attributes `shape` and `dtype` that repeat the type are left out; the attribute `name` is the bare string. Declared
 * inputs come first. Read back by `parse`: `print(parse(print(g))) === print(g)`.
 * Throws `option/invalid` for what is no graph.
 */
export function print(graph: Graph): string {
  if (!Array.isArray(graph?.states)) {
    throw new GradcError('option/invalid', `print was given ${showValue(graph)}, not a graph`, { hint: 'print(train.graph)' })
  }
  const lines: string[] = []
  printInto(lines, graph, '')
  return `${lines.join('\n')}\n`
}

function printInto(lines: string[], graph: Graph, indent: string): void {
  lines.push(`${indent}graph ${JSON.stringify(graph.name)} {`)
  printBody(lines, graph, `${indent}  `)
  lines.push(`${indent}}`)
}

function printBody(lines: string[], graph: Graph, indent: string): void {
  for (const s of graph.states) {
    lines.push(`${indent}state ${JSON.stringify(s.name)} ${showType(s)}${s.trainable ? ' trainable' : ''}`)
  }
  const numbers = new Map<Node, number>()
  const order = topological([...graph.inputs.map((i) => i.node), ...rootsOf(graph)])
  order.forEach((node, i) => numbers.set(node, i))
  for (const node of order) printNode(lines, node, numbers, indent)
  for (const r of graph.results) lines.push(`${indent}result ${JSON.stringify(r.name)} ${show(r.node, numbers)}`)
  for (const u of graph.updates) lines.push(`${indent}update ${JSON.stringify(u.name)} ${show(u.node, numbers)}`)
}

function printNode(lines: string[], node: Node, numbers: ReadonlyMap<Node, number>, indent: string): void {
  lines.push(`${indent}${show(node, numbers)} = ${node.op} ${showType(node)}${showTail(node, (x) => show(x, numbers))}`)
  for (const region of node.regions) {
    lines[lines.length - 1] += ` graph ${JSON.stringify(region.name)} {`
    printBody(lines, region, `${indent}  `)
    lines.push(`${indent}}`)
  }
}

/** A broken graph may use a node before it stands in the order; it is shown by its own id then. */
const show = (node: Node, numbers: ReadonlyMap<Node, number>): string => `%${numbers.get(node) ?? `?${node.id}`}`

/** Operands, name and attributes, each with a space before it. */
function showTail(node: Node, ref: (x: Node) => string): string {
  const operands = node.operands.length ? ` ${node.operands.map(ref).join(', ')}` : ''
  const name = typeof node.attrs.name === 'string' ? ` ${JSON.stringify(node.attrs.name)}` : ''
  const attrs = attributeOrder(node)
    .filter((key) => !(key === 'name' && name) && !repeatsType(key, node.attrs[key], node))
    .map((key) => `${key} = ${showAttr(node.attrs[key], precisionOf(key, node))}`)
  return `${operands}${name}${attrs.length ? ` {${attrs.join(', ')}}` : ''}`
}

/** The op's own order; a forged node may carry others, which follow. */
function attributeOrder(node: Node): string[] {
  const own = Object.keys(node.attrs)
  const known = isOp(node.op) ? (opNamed(node.op).attrs ?? []) : []
  return [...known.filter((k) => own.includes(k)), ...own.filter((k) => !known.includes(k))]
}

/** Values are numbers of the node's dtype; every other number is exact. */
const precisionOf = (key: string, node: Node): DType => (['number', 'values'].includes(kindOf(key) ?? '') ? node.dtype : 'f64')

/** True for the attributes that are left out of the text because the type says them. */
export const repeatsType = (key: string, value: Attr, type: { dtype: DType; shape: readonly number[] }): boolean =>
  (key === 'shape' || key === 'dtype') && sameAttr(value, type[key])

function showAttr(attr: Attr, dtype: DType): string {
  if (typeof attr === 'number') return showNumber(attr, dtype)
  if (Array.isArray(attr)) return `[${attr.map((a: Attr) => showAttr(a, dtype)).join(', ')}]`
  if (ArrayBuffer.isView(attr)) return showValues(attr as TypedArray, dtype)
  return JSON.stringify(attr)
}

/** `f32[1, -0, NaN]`, or `f32"0000803f"` (little-endian bytes) where a list would be long or lose a NaN's bits. */
function showValues(values: TypedArray, of: DType): string {
  const holds = (d: DType): boolean => values instanceof DTYPES[d].array
  const dtype = holds(of) ? of : (Object.keys(DTYPES) as DType[]).find(holds)!
  const listed = values.length <= LIST_LIMIT && dtype !== 'f16' && dtype !== 'bf16'
  if (!listed || toHex(relisted(values, dtype)) !== toHex(values)) return `${dtype}"${toHex(values)}"`
  return `${dtype}[${Array.from(values, (v) => showNumber(v, dtype)).join(', ')}]`
}

/** What the list form gives back: NaNs come out canonical. */
function relisted(values: TypedArray, dtype: DType): TypedArray {
  const again = new DTYPES[dtype].array(values.length)
  for (let i = 0; i < values.length; i++) again[i] = Number.isNaN(values[i]) ? NaN : values[i]
  return again
}

/** One node for a message, operands by their own ids: `%12 = add f32[4] %10, %11`. */
export function showLine(node: Node): string {
  return `%${node.id} = ${node.op} ${showType(node)}${showTail(node, (x) => `%${x.id}`)}`
}

/** The node with what stands below it to a depth, operands first: the neighbourhood that an error report shows. */
export function showAround(node: Node, depth = 3): string {
  const near = new Set([node])
  let rim = [node]
  for (let i = 0; i < depth && near.size < 64; i++) {
    rim = rim.flatMap((n) => [...n.operands]).filter((n) => !near.has(n))
    rim.forEach((n) => near.add(n))
  }
  return [...near].sort((a, b) => a.id - b.id).map(showLine).join('\n')
}
