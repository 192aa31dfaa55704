import { isTensor, showValue } from '../../ir/arguments.ts'
import { GradcError } from '../../ir/errors.ts'
import type { Graph, Init, Named, Node, StateDecl } from '../../ir/graph.ts'
import { add, cast } from '../../ir/lang/index.ts'
import type { Optimizer, TransformContext } from '../../ir/optimizer.ts'
import { sameType, showType, type TensorType } from '../../ir/types.ts'

const startAtZero: Init = (b, type) => b.zeros(type)

/** The error for an optimiser that breaks the rules of transforms: a mistake of whoever wrote it. */
export function broken(optimizer: Optimizer, why: string, node?: unknown): GradcError {
  return new GradcError('option/invalid', `the optimiser ${JSON.stringify(optimizer.name)} ${why}`, {
    parties: isTensor(node) ? [{ label: 'of', node }] : [],
    hint: 'a transform gives one tensor an entry, and each slot one new value, of the same type',
  })
}

/** Collects what one run of an optimiser declares and assigns. */
export class OptimizerState {
  readonly #optimizer: Optimizer
  readonly #builder: Graph['builder']
  readonly #states: Map<string, StateDecl>
  /** The new value of each slot; null as long as there is none. */
  readonly #next = new Map<Node, Node | null>()
  /** What the optimiser is given. */
  readonly context: TransformContext

  constructor(optimizer: Optimizer, graph: Graph) {
    this.#optimizer = optimizer
    this.#builder = graph.builder
    this.#states = new Map(graph.states.map((s) => [s.name, s]))
    const { name } = optimizer
    const count = (): Node => this.#count()
    this.context = {
      builder: graph.builder,
      inputs: Object.fromEntries(graph.inputs.map((i) => [i.name, i.node])),
      get step(): Node {
        return count()
      },
      slot: (entry, kind, type = entry.parameter, init = startAtZero) =>
        this.#declare(`${name}:${kind}:${entry.name}`, type, init),
      own: (kind, type, init = startAtZero) => this.#declare(`${name}:${kind}`, type, init),
      assign: (slot, next) => this.#assign(slot, next),
    }
  }

  /** The function's states and the optimiser's. */
  get states(): StateDecl[] {
    return [...this.#states.values()]
  }

  /** New values of the optimiser's states, in order of declaration. */
  get updates(): Named[] {
    return [...this.#next].flatMap(([slot, node]) => (node ? [{ name: slot.attrs.name as string, node }] : []))
  }

  /** The step count, which whoever reads it keeps up. */
  #count(): Node {
    const step = this.#declare(`${this.#optimizer.name}:step`, { dtype: 'i32', shape: [] }, startAtZero)
    this.#next.set(step, add(step, 1))
    return cast(step, 'f32')
  }

  /** Not registered with the builder: another training step may be made of the same function. */
  #declare(name: string, { dtype, shape }: TensorType, init: Init): Node {
    const decl: StateDecl = { name, dtype, shape, init, trainable: false, owner: this.#optimizer }
    const node = this.#builder.make('state', [], { name, dtype, shape })
    checkFree(this.#states.get(name) ?? decl, decl, node)
    if (!this.#states.has(name)) this.#states.set(name, decl)
    if (!this.#next.has(node)) this.#next.set(node, null)
    return node
  }

  #assign(slot: Node, value: Node): void {
    if (this.#next.get(slot) !== null) throw broken(this.#optimizer, 'assigned a slot twice, or what is no slot of its own', slot)
    if (!isTensor(value) || !sameType(slot, value)) {
      throw broken(this.#optimizer, `assigned ${isTensor(value) ? showType(value) : showValue(value)} to a slot`, slot)
    }
    this.#next.set(slot, value)
  }
}

function checkFree(before: StateDecl, decl: StateDecl, node: Node): void {
  if (before.owner === decl.owner && sameType(before, decl)) return
  throw new GradcError('state/duplicate', `two states are named ${JSON.stringify(decl.name)}`, {
    parties: [{ label: 'x', node }],
    hint: 'use one optimiser object for both, or give one of them a name: optim.adam({ name: ... })',
  })
}
