import { InternalError } from '../errors.ts'
import type { OpDef } from '../op.ts'
import { BINARY, SELECT } from './binary.ts'
import { CONTRACT } from './contract.ts'
import { GATED } from './gated.ts'
import { INDEXED } from './gather.ts'
import { LEAVES, RANDOM } from './leaf.ts'
import { REGIONS } from './region.ts'
import { REDUCTIONS } from './reduce.ts'
import { CONVERSIONS, UNARY } from './unary.ts'
import { VIEWS } from './view.ts'

const TABLE: readonly OpDef[] = [...LEAVES, ...UNARY, ...GATED, ...CONVERSIONS, ...BINARY, SELECT, ...VIEWS, ...REDUCTIONS, CONTRACT, ...INDEXED, ...RANDOM, ...REGIONS]
const BY_NAME: ReadonlyMap<string, OpDef> = new Map(TABLE.map((def) => [def.name, def]))

/** The primitive table, in the order of design and documentation. */
export const ops = (): readonly OpDef[] => TABLE

/** Is there a primitive of this name? */
export const isOp = (name: string): boolean => BY_NAME.has(name)

/** The record of a primitive. A name that is none is a defect of the caller. */
export function opNamed(name: string): OpDef {
  const def = BY_NAME.get(name)
  if (!def) throw new InternalError('ops', `there is no op ${JSON.stringify(name)}`)
  return def
}
