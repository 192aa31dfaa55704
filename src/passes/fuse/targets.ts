import { InternalError } from '../../ir/errors.ts'
import type { Graph, Node } from '../../ir/graph.ts'
import { throughReshapes } from '../../ir/resolve.ts'
import type { Slot } from './group.ts'
import { isInput, stateName } from './kinds.ts'

/** A result or input by name, and where its bytes are. `node` has the declared shape, the slot perhaps another one. */
export interface Placed {
  readonly name: string
  readonly node: Node
  readonly slot: Slot
}

/** Where values have to go. A reshape is its operand's bytes under another shape, so all of this speaks of their bases. */
export interface Targets {
  readonly results: readonly Placed[]
  readonly inputs: readonly Placed[]
  /** Base → the arena slot that must hold it after the step. */
  readonly kept: ReadonlyMap<Node, Slot>
  /** Base → names of the states whose new value it is. */
  readonly updates: ReadonlyMap<Node, readonly string[]>
}

/** All slots of one function; leaves have theirs from the start. */
export class Slots {
  readonly all: Slot[] = []
  readonly #states = new Map<string, Slot>()
  readonly #leaves = new Map<Node, Slot>()
  readonly #graph: Graph

  constructor(graph: Graph) {
    this.#graph = graph
  }

  #make(place: Slot['place'], node: Node, name: string, kept = false): Slot {
    const slot: Slot = { id: this.all.length, place, node, name, kept }
    this.all.push(slot)
    return slot
  }

  /** Room in the arena for one value. */
  arena(node: Node, name = '', kept = false): Slot {
    return this.#make('arena', node, name, kept)
  }

  /** The bytes of a state of the function. */
  state(name: string): Slot {
    let slot = this.#states.get(name)
    if (slot) return slot
    const decl = this.#graph.states.find((s) => s.name === name)
    if (!decl) throw new InternalError('fuse', `${this.#graph.name} has no state ${JSON.stringify(name)}`)
    // Not registered with the builder: other training steps of the same function have states of this name too.
    const { dtype, shape } = decl
    const node = this.#graph.builder.make('state', [], { name, dtype, shape })
    this.#states.set(name, (slot = this.#make('state', node, name)))
    return slot
  }

  /** Where an input, state or constant is. */
  leaf(node: Node): Slot {
    const state = stateName(node)
    if (state !== null) return this.state(state)
    let slot = this.#leaves.get(node)
    if (slot) return slot
    const input = isInput(node)
    const place = !input ? 'constant' : this.#graph.inputs.some((i) => i.node === node) ? 'input' : 'outer'
    this.#leaves.set(node, (slot = this.#make(place, node, input ? (node.attrs.name as string) : '')))
    return slot
  }
}

/** Reads off the graph where its results and updates have to be. */
export function targetsOf(graph: Graph, slots: Slots): Targets {
  const inputs = graph.inputs.map(({ name, node }) => ({ name, node, slot: slots.leaf(node) }))
  const kept = new Map<Node, Slot>()
  const results = graph.results.map(({ name, node }): Placed => {
    const base = throughReshapes(node)
    let slot = kept.get(base)
    if (!slot && isInput(base) && slots.leaf(base).place === 'input') {
      // The caller may as well read it where it was written.
      slot = slots.leaf(base)
      slot.kept = true
    } else if (!slot) kept.set(base, (slot = slots.arena(base, name, true)))
    return { name, node, slot }
  })
  const updates = new Map<Node, string[]>()
  for (const { name, node } of graph.updates) {
    const base = throughReshapes(node)
    slots.state(name)
    if (stateName(base) === name) continue
    updates.set(base, [...(updates.get(base) ?? []), name])
  }
  return { inputs, results, kept, updates }
}
