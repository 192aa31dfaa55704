import type { Manifest, Slot } from '../ir/manifest.ts'

/**
 * The manifest with its hash: FNV-1a (Fowler, Noll, Vo; 64 bits) of what the program is: name, seed, states and functions with their
 * types. Where they lie is left out: all targets and budgets have the same hash, as they compute the same bits.
 */
export function hashed(rest: Omit<Manifest, 'hash'>): Manifest {
  const { gradc, name, ...others } = rest
  const typed = (slots: readonly Slot[]): object[] => slots.map((s) => ({ ...s, offset: undefined }))
  const functions = rest.functions.map((f) => [f.name, typed(f.inputs), typed(f.results), f.parameters])
  const text = JSON.stringify([name, rest.seed, typed(rest.states), functions])
  let hash = 0xcbf29ce484222325n
  for (const byte of new TextEncoder().encode(text)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n)
  return { gradc, name, hash: hash.toString(16).padStart(16, '0'), ...others }
}
