const [M0, M1, W0, W1] = [0xd2511f53, 0xcd9e8d57, 0x9e3779b9, 0xbb67ae85]

/** High 32 bits of the 64-bit product of two 32-bit words. */
const mulhi = (a: number, b: number): number => Number((BigInt(a >>> 0) * BigInt(b >>> 0)) >> 32n)

/**
 * One block of Philox 4×32-10: four words from a counter of four and a key of two.
 * Source: Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
 */
export function philox(counter: readonly [number, number, number, number], key: readonly [number, number]): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter
  let [k0, k1] = key
  for (let round = 0; round < 10; round++) {
    const [h0, l0] = [mulhi(M0, c0), Math.imul(M0, c0)]
    const [h1, l1] = [mulhi(M1, c2), Math.imul(M1, c2)]
    ;[c0, c1, c2, c3] = [(h1 ^ c1 ^ k0) >>> 0, l1 >>> 0, (h0 ^ c3 ^ k1) >>> 0, l0 >>> 0]
    k0 = (k0 + W0) >>> 0
    k1 = (k1 + W1) >>> 0
  }
  return [c0, c1, c2, c3]
}

/** Word `index` of the stream that `randomBits` defines: word i mod 4 of the block with counter (⌊i/4⌋, 0, stream, 0). */
export const randomWord = (index: number, stream: number, key: readonly [number, number]): number =>
  philox([index >>> 2, 0, stream, 0], key)[index & 3]
