import { describe, expect, test } from 'vitest'
import { loadMnist, readDigits, readIdx } from '../../examples/mnist/idx.ts'

const IMAGES = 0x803
const LABELS = 0x801

/** An IDX file whose header says `extents` and that carries `bytes` after it. */
function idx(magic: number, extents: readonly number[], bytes: Uint8Array): Uint8Array {
  const file = new Uint8Array(4 + 4 * extents.length + bytes.length)
  const words = new DataView(file.buffer)
  words.setUint32(0, magic)
  extents.forEach((extent, axis) => words.setUint32(4 + 4 * axis, extent))
  file.set(bytes, 4 + 4 * extents.length)
  return file
}

const images = (count: number): Uint8Array =>
  idx(IMAGES, [count, 28, 28], Uint8Array.from({ length: count * 784 }, (_, i) => i % 251))
const labels = (...digits: number[]): Uint8Array => idx(LABELS, [digits.length], Uint8Array.from(digits))

describe('good files', () => {
  test('images and labels, as views of the file', () => {
    const file = images(3)
    const { count, pixels, labels: found } = readDigits(file, labels(7, 0, 9), 'set')
    expect(count).toBe(3)
    expect(pixels.length).toBe(3 * 784)
    expect(pixels[784]).toBe(784 % 251)
    expect(pixels.buffer).toBe(file.buffer)
    expect([...found]).toEqual([7, 0, 9])
  })

  test('a file that starts in the middle of its buffer', () => {
    const buffer = new Uint8Array(100).fill(0xff)
    const file = labels(1, 2, 3)
    buffer.set(file, 33)
    expect([...readIdx(buffer.subarray(33, 33 + file.length), LABELS, 'f').values]).toEqual([1, 2, 3])
  })
})

describe('hostile files', () => {
  const huge = 0xffffffff
  test.each<[string, Uint8Array, number, string]>([
    ['empty', new Uint8Array(0), IMAGES, '0 bytes are too few for an IDX header of 16'],
    ['cut inside the header', images(1).subarray(0, 15), IMAGES, '15 bytes are too few'],
    ['labels for images', labels(...new Array<number>(20).fill(1)), IMAGES, 'the magic number is 0x801, not 0x803'],
    ['images for labels', images(1), LABELS, 'the magic number is 0x803, not 0x801'],
    ['little-endian magic', idx(0x03080000, [1, 28, 28], new Uint8Array(784)), IMAGES, 'the magic number is 0x3080000'],
    ['gzipped', Uint8Array.from([0x1f, 0x8b, 8, 0, ...new Array<number>(20).fill(0)]), LABELS, 'the magic number is 0x1f8b0800'],
    ['one byte short', images(2).subarray(0, -1), IMAGES, 'says 2 × 28 × 28 bytes, the file has 1567 after it'],
    ['one byte long', idx(LABELS, [2], new Uint8Array(3)), LABELS, 'says 2 bytes, the file has 3 after it'],
    ['a count of 2³² − 1', idx(LABELS, [huge], new Uint8Array(1)), LABELS, 'says 4294967295 bytes, the file has 1 after it'],
    ['extents whose product wraps around', idx(IMAGES, [65536, 65536, 65536], new Uint8Array(0)), IMAGES, 'has 0 after it'],
    ['extents beyond 2⁵³', idx(IMAGES, [huge, huge, huge], new Uint8Array(16)), IMAGES, 'the file has 16 after it'],
  ])('%s', (_, file, magic, problem) => {
    expect(() => readIdx(file, magic, 'some file')).toThrow(problem)
    expect(() => readIdx(file, magic, 'some file')).toThrow(/^some file: /)
  })

  test.each<[string, Uint8Array, Uint8Array, string]>([
    ['fewer labels than images', images(2), labels(1), '2 images, but 1 labels'],
    ['images of another size', idx(IMAGES, [2, 14, 56], new Uint8Array(1568)), labels(1, 2), '14 × 56 pixels, not 28 × 28'],
    ['images of no size', idx(IMAGES, [2, 0, 28], new Uint8Array(0)), labels(1, 2), '0 × 28 pixels'],
    ['no images', images(0), labels(), 'there are no images'],
    ['a label that is no digit', images(2), labels(9, 10), 'label 1 is 10, not a digit'],
  ])('%s', (_, imageFile, labelFile, problem) => {
    expect(() => readDigits(imageFile, labelFile, 'set')).toThrow(problem)
  })
})

test('the real MNIST is whole', async () => {
  const { training, test: tested } = await loadMnist()
  expect([training.count, tested.count]).toEqual([60_000, 10_000])
  const histogram = (of: Uint8Array): number[] => of.reduce((n, digit) => (n[digit]++, n), new Array<number>(10).fill(0))
  // Published with the data set: how often each digit occurs.
  expect(histogram(training.labels)).toEqual([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949])
  expect(histogram(tested.labels)).toEqual([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009])
})
