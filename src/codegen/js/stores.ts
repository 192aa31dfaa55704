import type { Store } from '../nest.ts'
import type { Shared } from './prelude.ts'
import type { Scope } from './scope.ts'

/** All values first, then all writes: a store may overwrite what another one reads. */
export function writeStores(stores: readonly Store[], scope: Scope, shared: Shared): void {
  const writes = stores.map((s) => {
    const p = scope.piece(s.value)
    // An f32 array rounds what is written into it; adding to it must round first.
    const text = s.dtype === 'f32' && !s.accumulate ? p.text : scope.valueOf(p)
    const name = stores.length > 1 && !isName(text) ? scope.keep(text) : text
    const index = scope.element(s.index, s.address, s.dtype)
    const at = s.indirect ? `${index} + ${scope.offset(s.indirect.at, s.indirect.stride, s.indirect.limit)}` : index
    const value = s.dtype === 'bool' ? `${isName(name) ? name : `(${name})`} ? 1 : 0` : name
    return `${shared.view(s.dtype)}[${at}] ${s.accumulate ? '+=' : '='} ${value}`
  })
  for (const w of writes) scope.block.add(w)
}

const isName = (text: string): boolean => /^\w+$/.test(text)
