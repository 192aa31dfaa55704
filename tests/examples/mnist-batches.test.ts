import fc from 'fast-check'
import { expect, test } from 'vitest'
import { batchesOf, mulberry32, shuffle } from '../../examples/mnist/batches.ts'
import { loadMnist, type Digits } from '../../examples/mnist/idx.ts'

/** Images that are one grey each, 10·i for image i, labelled i mod 10. */
function greys(count: number): Digits {
  return {
    count,
    pixels: Uint8Array.from({ length: count * 784 }, (_, p) => 10 * Math.floor(p / 784)),
    labels: Uint8Array.from({ length: count }, (_, i) => i % 10),
  }
}

test('a shuffle is a permutation, and the same one for the same seed', () => {
  fc.assert(
    fc.property(fc.nat(200), fc.integer(), (length, seed) => {
      const once = Uint32Array.from({ length }, (_, i) => i)
      const again = once.slice()
      shuffle(once, mulberry32(seed))
      shuffle(again, mulberry32(seed))
      expect(once).toEqual(again)
      expect([...once].sort((a, b) => a - b)).toEqual(Array.from({ length }, (_, i) => i))
    }),
  )
})

test('different seeds give different orders, and every order of three comes up about equally often', () => {
  const orders = new Map<string, number>()
  const random = mulberry32(1)
  for (let i = 0; i < 6000; i++) {
    const items = Uint32Array.of(0, 1, 2)
    shuffle(items, random)
    orders.set(items.join(''), (orders.get(items.join('')) ?? 0) + 1)
  }
  expect(orders.size).toBe(6)
  // Binomial with n = 6000, p = 1/6: five standard deviations are 144.
  for (const times of orders.values()) expect(Math.abs(times - 1000)).toBeLessThan(144)
})

test('the generator is mulberry32: its first numbers for seed 0', () => {
  const random = mulberry32(0)
  expect([random(), random(), random()].map((u) => u * 2 ** 32)).toEqual([1144304738, 1416247, 958946056])
})

test('batches in order: pixels to mean 0 and deviation 1, labels beside them, what is left over is left out', () => {
  const seen = [...batchesOf(greys(7), 3)].length
  expect(seen).toBe(2)
  const found: number[][] = []
  for (const { x, y } of batchesOf(greys(7), 3)) found.push([x[0], x[783], x[784], x[3 * 784 - 1], ...y])
  const grey = (i: number): number => Math.fround(((10 * i) / 255 - 0.1307) / 0.3081)
  expect(found).toEqual([
    [grey(0), grey(0), grey(1), grey(2), 0, 1, 2],
    [grey(3), grey(3), grey(4), grey(5), 3, 4, 5],
  ])
})

test('shuffled batches show every image once an epoch, in another order each epoch', () => {
  const random = mulberry32(5)
  const epoch = (): number[] => {
    const order: number[] = []
    for (const { x, y } of batchesOf(greys(24), 4, random)) {
      for (let row = 0; row < 4; row++) {
        const image = Math.round(Math.abs((x[row * 784] * 0.3081 + 0.1307) * 25.5))
        expect(y[row]).toBe(image % 10)
        order.push(image)
      }
    }
    return order
  }
  const [first, second] = [epoch(), epoch()]
  expect(first.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 24 }, (_, i) => i))
  expect(second.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 24 }, (_, i) => i))
  expect(second).not.toEqual(first)
})

test('the pixels of the real training images have mean 0 and deviation 1', async () => {
  const { training } = await loadMnist()
  let [count, sum, squares] = [0, 0, 0]
  for (const { x } of batchesOf(training, 1000)) {
    for (const pixel of x) {
      sum += pixel
      squares += pixel * pixel
    }
    count += x.length
  }
  expect(count).toBe(60_000 * 784)
  expect(sum / count).toBeCloseTo(0, 3)
  expect(squares / count).toBeCloseTo(1, 3)
})
