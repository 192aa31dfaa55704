// The table of the formula, and what a dynamic programme over all first saved states says.

export const TABLE = [[10, 3, 15], [50, 5, 122], [100, 5, 316], [100, 10, 222], [200, 10, 522], [300, 10, 836]]

/** Fewest advances by trying every place for the next saved state. */
export function searched(steps, slots) {
  let fewer = Array.from({ length: steps + 1 }, (_, n) => (n * (n - 1)) / 2)
  for (let s = 2; s <= slots; s++) {
    const least = [0, 0]
    for (let n = 2; n <= steps; n++) {
      let best = Infinity
      for (let k = 1; k < n; k++) best = Math.min(best, k + fewer[n - k] + least[k])
      least.push(best)
    }
    fewer = least
  }
  return fewer[steps]
}
