import { InternalError } from '../../ir/errors.ts'
import type { Graph, Node } from '../../ir/graph.ts'
import { MustStore, throughReshapes } from '../../ir/resolve.ts'
import { precede, type Copy, type Group, type Slot } from './group.ts'
import { hasEpilogue, isCore, isElementwise, isLoop, isStorage, stateName } from './kinds.ts'
import { materialise, type Limits } from './materialise.ts'
import { readsOf, type Reads } from './reads.ts'
import type { Slots, Targets } from './targets.ts'

/** A graph cut into kernels of one value each, with all the order that they need. */
export interface Partition {
  readonly stored: Set<Node>
  readonly groups: Group[]
  /** Which group computes a stored node. */
  readonly producer: Map<Node, Group>
  /** Where other kernels find a stored value; made on demand for what is not a target. */
  readonly home: (node: Node) => Slot
  /** Results and new states: stored whether another kernel reads them or not. */
  readonly isTarget: (node: Node) => boolean
  /** All slots that the kernel of a stored node writes it to. */
  readonly slotsOf: (node: Node) => Slot[]
  /** Names of the states that the step changes. */
  readonly updated: ReadonlySet<string>
}

const MAX_ROUNDS = 8

/** Finds out what must be stored (as a fixed point with what expressions demand), and makes one group of each. */
export function partition(
  graph: Graph, order: readonly Node[], slots: Slots, targets: Targets, limits: Limits | null,
): Partition {
  const roots = [...graph.results, ...graph.updates].map((r) => throughReshapes(r.node))
  const { stored, reads } = storedNodes(order, roots, limits)

  const groups: Group[] = []
  const producer = new Map<Node, Group>()
  const makeGroup: MakeGroup = (parts) => {
    const group: Group = {
      id: groups.length, core: null, nodes: [], copies: [], aligned: new Map(), computed: new Set(), writes: new Set(),
      sealed: false, before: new Set(), after: new Set(), rank: -1, ...parts,
    }
    groups.push(group)
    return group
  }
  for (const node of order) {
    if (!reads.has(node)) continue
    const loop = isLoop(node) ? groups.find((g) => g.core && sameLoop(g.core, node)) : undefined
    if (loop) {
      loop.nodes.push(node)
      loop.computed.add(node)
      producer.set(node, loop)
      continue
    }
    const core = isCore(node) ? node : null
    const sealed = core !== null && !hasEpilogue(core)
    producer.set(node, makeGroup({ core, extents: node.shape, nodes: [node], sealed, ...reads.get(node)! }))
  }
  for (const g of groups) for (const n of g.aligned.keys()) if (producer.has(n)) precede(producer.get(n)!, g)

  const { home, inPlace } = updateStates(groups, producer, makeGroup, slots, targets)
  return {
    stored,
    groups,
    producer,
    home,
    isTarget: (node) => targets.kept.has(node) || inPlace.has(node),
    slotsOf: (node) => [...new Set([home(node), ...(inPlace.get(node) ?? []).map((name) => slots.state(name))])],
    updated: new Set([...targets.updates.values()].flat()),
  }
}

/** Are both results of one loop? */
const sameLoop = (a: Node, b: Node): boolean =>
  a.regions[0] === b.regions[0] && a.attrs.reverse === b.attrs.reverse && a.attrs.length === b.attrs.length &&
  a.operands.length === b.operands.length && a.operands.every((o, i) => o === b.operands[i])

type MakeGroup = (parts: Partial<Group> & Pick<Group, 'extents'>) => Group

interface InPlace {
  readonly home: (node: Node) => Slot
  /** States that a node's kernel writes in place. */
  readonly inPlace: ReadonlyMap<Node, readonly string[]>
}

/** The stored nodes, and what the kernel of each reads. Without limits every op gets a kernel of its own. */
function storedNodes(
  order: readonly Node[], roots: readonly Node[], limits: Limits | null,
): { stored: Set<Node>; reads: Map<Node, Reads> } {
  const forced = new Set<Node>(limits ? [] : order.filter(isElementwise))
  const deepest = limits ?? { reads: Infinity, depth: Infinity, ops: Infinity, recompute: Infinity, recomputeReads: Infinity }
  for (let round = 0; ; round++) {
    const stored = materialise(order, roots, forced, deepest)
    const reads = new Map<Node, Reads>()
    const before = forced.size
    for (let i = order.length - 1; i >= 0; i--) {
      const node = order[i]
      if (!stored.has(node) || isStorage(node)) continue
      for (;;) {
        try {
          reads.set(node, readsOf(isCore(node) ? node : null, [node], stored))
          break
        } catch (e) {
          if (!(e instanceof MustStore)) throw e
          const demanded = throughReshapes(e.node)
          if (stored.has(demanded)) throw new InternalError('fuse', `%${node.id} (${node.op}) demands what is stored`, e.message)
          stored.add(demanded)
          forced.add(demanded)
        }
      }
    }
    // Others may have inlined what turned out to be stored: decide again, now knowing it.
    if (forced.size === before || round === MAX_ROUNDS) return { stored, reads }
  }
}

/**
 * Decides which states are updated in place: their kernel must read the old value only at the element that it writes,
 * and every other reader must be able to run before it. The others are written to a slot of their own and copied.
 */
function updateStates(
  groups: Group[], producer: ReadonlyMap<Node, Group>, makeGroup: MakeGroup, slots: Slots, targets: Targets,
): InPlace {
  const homes = new Map<Node, Slot>(targets.kept)
  const home = (node: Node): Slot => {
    if (isStorage(node)) return slots.leaf(node)
    let slot = homes.get(node)
    if (!slot) homes.set(node, (slot = slots.arena(node)))
    return slot
  }
  const copyGroup = (copy: Copy, sealed: boolean): Group =>
    makeGroup({ extents: copy.node.shape, copies: [copy], aligned: new Map([[copy.node, true]]), sealed })

  // Leaves are moved by copies; those that give a state its value come under the same question as computed ones.
  const writers = new Map<string, { group: Group; node: Node; copy: Copy | null }>()
  for (const [node, to] of targets.kept) if (isStorage(node)) copyGroup({ node, from: home(node), to }, false)
  for (const [node, names] of targets.updates) {
    for (const name of names) {
      const copy = isStorage(node) ? { node, from: home(node), to: slots.state(name) } : null
      writers.set(name, { group: copy ? copyGroup(copy, false) : producer.get(node)!, node, copy })
    }
  }
  const readers = new Map<string, Group[]>()
  for (const g of groups) {
    for (const n of g.aligned.keys()) {
      const state = stateName(n)
      if (state !== null) readers.set(state, [...(readers.get(state) ?? []), g])
    }
  }

  const inPlace = new Map<Node, string[]>()
  for (const [name, { group, node, copy }] of writers) {
    const others = (readers.get(name) ?? []).filter((r) => r !== group)
    // A core without epilogue writes one buffer; everything else gets copies of that.
    const single = group.sealed && homes.has(node)
    const aligned = [...group.aligned].every(([n, at]) => at || stateName(n) !== name)
    if (aligned && !single && !others.some((r) => reaches(group, r))) {
      for (const r of others) precede(r, group)
      group.writes.add(name)
      if (copy) continue
      inPlace.set(node, [...(inPlace.get(node) ?? []), name])
      if (!homes.has(node)) homes.set(node, slots.state(name))
      continue
    }
    const from = copy ? slots.arena(node) : home(node)
    if (copy) group.copies = [{ ...copy, to: from }]
    const last = copyGroup({ node, from, to: slots.state(name) }, true)
    precede(group, last)
    for (const r of [...others, group]) precede(r, last)
    last.writes.add(name)
  }
  return { home, inPlace }
}

function reaches(from: Group, to: Group): boolean {
  const seen = new Set<Group>([from])
  const stack = [from]
  while (stack.length) {
    for (const g of stack.pop()!.after) {
      if (g === to) return true
      if (!seen.has(g)) {
        seen.add(g)
        stack.push(g)
      }
    }
  }
  return false
}
