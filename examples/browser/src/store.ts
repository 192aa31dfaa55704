import type { Labelled } from './digits.ts'

/** All that was learnt, as it is kept between visits. */
export interface Learnt {
  /** A safetensors file. */
  readonly weights: Uint8Array
  readonly corrections: Labelled[]
  readonly losses: number[]
  readonly marks: number[]
}

const [DATABASE, TABLE, KEY] = ['gradc-digits', 'learnt', 'mine']

/** One request in a transaction of its own, which is finished when this resolves. */
async function ask<T>(mode: IDBTransactionMode, request: (table: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const database = await new Promise<IDBDatabase>((resolve, reject) => {
    const open = indexedDB.open(DATABASE, 1)
    open.onupgradeneeded = () => open.result.createObjectStore(TABLE)
    open.onsuccess = () => resolve(open.result)
    open.onerror = () => reject(open.error)
  })
  try {
    return await new Promise<T>((resolve, reject) => {
      const transaction = database.transaction(TABLE, mode)
      const asked = request(transaction.objectStore(TABLE))
      transaction.oncomplete = () => resolve(asked.result)
      transaction.onabort = () => reject(transaction.error)
    })
  } finally {
    database.close()
  }
}

/** Keeps all of it, or, if it fails, what was there. */
export const keep = (learnt: Learnt): Promise<unknown> => ask('readwrite', (table) => table.put(learnt, KEY))

/** What was kept; undefined if nothing was. */
export const find = (): Promise<Learnt | undefined> =>
  ask('readonly', (table) => table.get(KEY) as IDBRequest<Learnt | undefined>)

/** Removes what was kept. */
export const forget = (): Promise<unknown> => ask('readwrite', (table) => table.delete(KEY))
