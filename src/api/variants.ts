import { showValue } from '../ir/arguments.ts'
import { GradcError } from '../ir/errors.ts'
import type { Named } from '../ir/graph.ts'
import { sizeOf } from '../ir/types.ts'
import type { FunctionLists } from './compiled.ts'
import type { Declared } from './fn.ts'

/** One function to compile: `label` is its name in reports, `name` the one that it is called by. */
export interface Variant {
  readonly name: string
  readonly label: string
  readonly declared: Declared
}

/**
 * Functions by name as a list. A list of functions under one name is one function for several lengths of input: they have inputs
 * and results of the same names, types and ranks, and any two differ in the length of an input.
 * Errors: option/invalid, name/duplicate.
 */
export function variantsOf(functions: FunctionLists): Variant[] {
  const all = Object.keys(functions).flatMap((name): Variant[] => {
    const given: unknown = functions[name]
    if (!Array.isArray(given)) return [{ name, label: name, declared: checked(name, given) }]
    if (!given.length) {
      throw new GradcError('option/invalid', `${JSON.stringify(name)} is an empty list of functions`, { hint: HINT })
    }
    const label = (i: number): string => (given.length > 1 ? `${name}[${i}]` : name)
    const list = given.map((declared: unknown, i): Variant => ({ name, label: label(i), declared: checked(name, declared) }))
    list.forEach((v, i) => list.slice(0, i).forEach((w) => checkApart(w, v)))
    return list
  })
  for (const { name, label } of all) {
    if (label === name || !Object.hasOwn(functions, label)) continue
    throw new GradcError('name/duplicate', `${JSON.stringify(label)} names a function and a part of ${JSON.stringify(name)}`, {
      hint: 'rename one',
    })
  }
  return all
}

const HINT = 'predict: [1, 32].map((n) => fn({ x: f32(n, 784) }, ({ x }) => ({ p: softmax(net(x)) })))'

function checked(name: string, given: unknown): Declared {
  if (typeof given === 'object' && given !== null && 'graph' in given) return given as Declared
  throw new GradcError('option/invalid', `${JSON.stringify(name)} is ${showValue(given)}, not a function of fn(...)`, {
    hint: 'compile({ train: fn({ x: f32(64, 784) }, ({ x }) => ({ y: ... })) })',
  })
}

/** Two variants must look the same to a caller, and be told apart by the lengths of what they are given. */
function checkApart(a: Variant, b: Variant): void {
  const [one, other] = [a.declared.graph, b.declared.graph]
  for (const [what, x, y] of [['inputs', one.inputs, other.inputs], ['results', one.results, other.results]] as const) {
    if (signature(x) === signature(y)) continue
    const problem = `${a.label} and ${b.label} differ in their ${what}: ${signature(x) || 'none'} and ${signature(y) || 'none'}`
    throw new GradcError('option/invalid', problem, {
      hint: 'functions of one name differ in extents only; give them names of their own',
    })
  }
  const lengths = (named: readonly Named[]): string => named.map(({ node }) => sizeOf(node.shape)).join()
  if (lengths(one.inputs) !== lengths(other.inputs)) return
  throw new GradcError('option/invalid', `${a.label} and ${b.label} take inputs of the same lengths`, { hint: HINT })
}

const signature = (named: readonly Named[]): string =>
  named.map(({ name, node }) => `${JSON.stringify(name)} ${node.dtype} of rank ${node.shape.length}`).join(', ')
