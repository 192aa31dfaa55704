import { showValue } from './arguments.ts'
import { fitsKind, fromHex, kindOf } from './attributes.ts'
import { Builder, roundTo } from './builder.ts'
import { GradcError } from './errors.ts'
import type { Attr, Graph, Named, Node, StateDecl } from './graph.ts'
import { isOp, opNamed } from './ops/index.ts'
import type { OpDef } from './op.ts'
import { Scanner, type Mark } from './scan-text.ts'
import { DTYPES, isDType, isFloat, sameType, showType, type DType, type TensorType, type TypedArray } from './types.ts'

/** Regions and attribute lists nest at most this deep. */
const MAX_DEPTH = 16
const MAX_RANK = 64

/**
 * Reads the text that `print` makes (see there for the form; `//` starts a comment) into a graph of a new builder.
 * Node numbers are names only: any distinct ones will do, as long as operands come first. Numbers of float attributes are
 * rounded to the node's dtype. Functions do not travel in text: every state of the graph gets zeros as its first value.
 * Throws `parse/syntax` with line and column for anything that is not a valid graph.
 */
export function parse(text: string): Graph {
  if (typeof text !== 'string') throw new GradcError('parse/syntax', `parse was given ${showValue(text)}, not text`)
  const scanner = new Scanner(text)
  const graph = parseGraph(scanner, 0)
  if (!scanner.atEnd) scanner.fail('the end of the text was expected')
  return graph
}

const zeros: StateDecl['init'] = (b, type) => b.zeros(type)

/** One graph while it is being read. */
interface Reading {
  readonly scanner: Scanner
  readonly builder: Builder
  readonly depth: number
  readonly nodes: Map<string, Node>
  readonly inputs: Named[]
  readonly states: Map<string, { decl: StateDecl; node: Node }>
  readonly results: Map<string, Node>
  readonly updates: Map<string, Node>
}

function parseGraph(scanner: Scanner, depth: number): Graph {
  if (depth > MAX_DEPTH) scanner.fail('regions are nested too deep')
  scanner.word('graph')
  const name = scanner.string()
  scanner.punctuation('{')
  const reading: Reading = {
    scanner, depth, builder: new Builder(), inputs: [],
    nodes: new Map(), states: new Map(), results: new Map(), updates: new Map(),
  }
  while (!scanner.tryPunctuation('}')) parseLine(reading)
  const named = (m: Map<string, Node>): Named[] => [...m].map(([key, node]) => ({ name: key, node }))
  return {
    name,
    builder: reading.builder,
    inputs: reading.inputs,
    states: [...reading.states.values()].map((s) => s.decl),
    results: named(reading.results),
    updates: named(reading.updates),
  }
}

function parseLine(r: Reading): void {
  const { scanner } = r
  const at = scanner.mark()
  const id = scanner.tryNodeId()
  if (id !== null) {
    if (r.nodes.has(id)) scanner.fail(`${id} is defined twice`, at)
    scanner.punctuation('=')
    r.nodes.set(id, parseNode(r))
    return
  }
  const keyword = scanner.identifier('a node, `state`, `result` or `update`')
  if (keyword === 'state') return parseState(r)
  if (keyword === 'result' || keyword === 'update') return parseRoot(r, keyword)
  scanner.fail(`a node, \`state\`, \`result\` or \`update\` was expected, not \`${keyword}\``, at)
}

function parseState(r: Reading): void {
  const at = r.scanner.mark()
  const name = r.scanner.string()
  if (r.states.has(name)) r.scanner.fail(`state ${JSON.stringify(name)} is declared twice`, at)
  const type = parseType(r.scanner)
  const trainable = r.scanner.tryWord('trainable')
  const decl: StateDecl = { name, ...type, init: zeros, trainable, owner: r }
  r.states.set(name, { decl, node: r.scanner.guarded(at, () => r.builder.state(decl)) })
}

function parseRoot(r: Reading, kind: 'result' | 'update'): void {
  const at = r.scanner.mark()
  const name = r.scanner.string()
  const node = parseOperand(r)
  if (kind === 'update') {
    const state = r.states.get(name)?.decl
    if (!state) r.scanner.fail(`state ${JSON.stringify(name)} is not declared`, at)
    if (!sameType(state, node)) r.scanner.fail(`state ${JSON.stringify(name)} is ${showType(state)}, not ${showType(node)}`, at)
  }
  const table = kind === 'result' ? r.results : r.updates
  if (table.has(name)) r.scanner.fail(`${kind} ${JSON.stringify(name)} is given twice`, at)
  table.set(name, node)
}

function parseOperand(r: Reading): Node {
  const at = r.scanner.mark()
  const id = r.scanner.tryNodeId()
  if (id === null) r.scanner.fail('a node such as %0 was expected', at)
  const node = r.nodes.get(id)
  if (!node) r.scanner.fail(`${id} is used before it is defined`, at)
  return node
}

function parseNode(r: Reading): Node {
  const { scanner } = r
  const at = scanner.mark()
  const op = scanner.identifier('the name of an op')
  if (!isOp(op)) scanner.fail(`there is no op \`${op}\``, at)
  const def = opNamed(op)
  const type = parseType(scanner)
  const operands: Node[] = []
  if (scanner.peek('%')) do operands.push(parseOperand(r)); while (scanner.tryPunctuation(','))
  if (def.arity !== null && operands.length !== def.arity) {
    scanner.fail(`${op} takes ${def.arity} operands, not ${operands.length}`, at)
  }
  const attrs = parseAttrs(scanner, def, type, at)
  const regions: Graph[] = []
  while (scanner.peek('graph')) regions.push(parseGraph(scanner, r.depth + 1))
  if (regions.length !== (def.regions ?? 0)) scanner.fail(`${op} takes ${def.regions ?? 'no'} regions`, at)
  const node = scanner.guarded(at, () => makeNode(r, def, operands, attrs, regions, at))
  if (!sameType(node, type)) scanner.fail(`${op} gives ${showType(node)}, not ${showType(type)}`, at)
  return node
}

function makeNode(
  r: Reading, def: OpDef, operands: readonly Node[], attrs: Record<string, Attr>, regions: readonly Graph[], at: Mark,
): Node {
  const leaf = def.lowering.kind === 'leaf' ? def.lowering.leaf : null
  const name = attrs.name as string
  if (leaf === 'state') {
    const state = r.states.get(name)
    if (!state) r.scanner.fail(`state ${JSON.stringify(name)} is not declared`, at)
    return state.node
  }
  if (leaf === 'input') {
    const node = r.builder.input(name, { dtype: attrs.dtype as DType, shape: attrs.shape as readonly number[] })
    r.inputs.push({ name, node })
    return node
  }
  return r.builder.make(def.name, operands, attrs, regions)
}

function parseType(scanner: Scanner): TensorType {
  const at = scanner.mark()
  const dtype = scanner.identifier('a type such as f32[2, 3]')
  if (!isDType(dtype)) scanner.fail(`there is no element type \`${dtype}\``, at)
  scanner.punctuation('[')
  const shape: number[] = []
  if (!scanner.tryPunctuation(']')) {
    do {
      const where = scanner.mark()
      const extent = scanner.number()
      if (!Number.isSafeInteger(extent) || extent < 0 || Object.is(extent, -0)) scanner.fail(`${extent} is no extent`, where)
      shape.push(extent)
    } while (scanner.tryPunctuation(','))
    scanner.punctuation(']')
  }
  if (shape.length > MAX_RANK) scanner.fail(`the rank ${shape.length} is too large`, at)
  const bytes = shape.reduce((n, d) => n * Math.max(d, 1), DTYPES[dtype].bytes)
  if (!Number.isSafeInteger(bytes)) scanner.fail('the shape is too large', at)
  return { dtype, shape }
}

/** Attributes as written, with the name from its bare string, and shape and dtype from the type. */
function parseAttrs(scanner: Scanner, def: OpDef, type: TensorType, op: Mark): Record<string, Attr> {
  const expected = def.attrs ?? []
  const found = new Map<string, Attr>()
  const start = scanner.mark()
  if (scanner.peek('"')) {
    if (!expected.includes('name')) scanner.fail(`${def.name} takes no name`, start)
    found.set('name', scanner.string())
  }
  if (scanner.tryPunctuation('{')) {
    do {
      const at = scanner.mark()
      const key = scanner.identifier('the name of an attribute')
      if (!expected.includes(key)) scanner.fail(`${def.name} has no attribute \`${key}\``, at)
      if (found.has(key)) scanner.fail(`attribute \`${key}\` is given twice`, at)
      scanner.punctuation('=')
      found.set(key, parseAttr(scanner, key, type.dtype))
    } while (scanner.tryPunctuation(','))
    scanner.punctuation('}')
  }
  const attrs: Record<string, Attr> = {}
  for (const key of expected) {
    const value = found.get(key) ?? (key === 'shape' || key === 'dtype' ? type[key] : undefined)
    if (value === undefined) scanner.fail(`${def.name} needs the attribute \`${key}\``, op)
    attrs[key] = value
  }
  return attrs
}

function parseAttr(scanner: Scanner, key: string, dtype: DType): Attr {
  const at = scanner.mark()
  const value = parseValue(scanner, 0)
  if (!fitsKind(key, value)) scanner.fail(`attribute \`${key}\` does not take this value`, at)
  if (kindOf(key) === 'number' && typeof value === 'number') return held(scanner, value, dtype, at)
  const otherType = ArrayBuffer.isView(value) && !(value instanceof DTYPES[dtype].array)
  if (otherType) scanner.fail(`the values are not of type ${dtype}`, at)
  return value
}

/** Rounds to a float dtype; an integer or boolean dtype must hold the number itself. */
function held(scanner: Scanner, value: number, dtype: DType, at: Mark): number {
  const rounded = roundTo(value, dtype)
  if (!isFloat(dtype) && !Object.is(rounded, value)) scanner.fail(`${value} is no ${dtype}`, at)
  return rounded
}

function parseValue(scanner: Scanner, depth: number): Attr {
  if (depth > MAX_DEPTH) scanner.fail('lists are nested too deep')
  if (scanner.peek('"')) return scanner.string()
  if (scanner.tryPunctuation('[')) return parseList(scanner, () => parseValue(scanner, depth + 1))
  const at = scanner.mark()
  const number = scanner.tryNumber()
  if (number !== null) return number
  const word = scanner.identifier('a value')
  if (word === 'true' || word === 'false') return word === 'true'
  if (isDType(word)) return parsePayload(scanner, word)
  return scanner.fail(`a value was expected, not \`${word}\``, at)
}

function parseList<T>(scanner: Scanner, item: () => T): T[] {
  const list: T[] = []
  if (scanner.tryPunctuation(']')) return list
  do list.push(item()); while (scanner.tryPunctuation(','))
  scanner.punctuation(']')
  return list
}

function parsePayload(scanner: Scanner, dtype: DType): TypedArray {
  const at = scanner.mark()
  if (scanner.peek('"')) return fromHex(scanner.string(), dtype) ?? scanner.fail(`these are no bytes of ${dtype}`, at)
  scanner.punctuation('[')
  const list = parseList(scanner, () => {
    const where = scanner.mark()
    return held(scanner, scanner.number(), dtype, where)
  })
  const values = new DTYPES[dtype].array(list.length)
  values.set(list)
  return values
}
