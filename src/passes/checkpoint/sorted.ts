/** Index of the first entry above `key` of an ascending list. */
export function above(list: readonly number[], key: number): number {
  let [lo, hi] = [0, list.length]
  while (lo < hi) {
    const mid = (lo + hi) >> 1
    if (list[mid] > key) hi = mid
    else lo = mid + 1
  }
  return lo
}

/** Index of the first entry that is not below `key`. */
export function notBelow(list: readonly number[], key: number): number {
  let [lo, hi] = [0, list.length]
  while (lo < hi) {
    const mid = (lo + hi) >> 1
    if (list[mid] >= key) hi = mid
    else lo = mid + 1
  }
  return lo
}

/** Puts a key into an ascending list. */
export function insert(list: number[], key: number): void {
  list.splice(notBelow(list, key), 0, key)
}

/** Takes a key out of an ascending list that has it. */
export function erase(list: number[], key: number): void {
  list.splice(notBelow(list, key), 1)
}
