import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { firstOf, imagesOf } from '../../examples/autoencoder/images.ts'
import { main } from '../../examples/autoencoder/main.ts'
import { HELP, readOptions } from '../../examples/autoencoder/options.ts'
import { pictureOf } from '../../examples/autoencoder/picture.ts'
import { mulberry32 } from '../../examples/mnist/batches.ts'
import type { Digits } from '../../examples/mnist/idx.ts'

async function run(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const text = { stdout: '', stderr: '' }
  const into = (to: 'stdout' | 'stderr'): { write(more: string): void } => ({ write: (more) => void (text[to] += more) })
  await main(args, { stdout: into('stdout'), stderr: into('stderr') })
  return text
}

describe('the command', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'gradc-autoencoder-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  test('--short: it learns to draw, one line of JSON, and a picture', async () => {
    const picture = join(folder, 'digits.pgm')
    const { stdout, stderr } = await run('--short', '--json', '--picture', picture)
    expect(stdout.split('\n')).toHaveLength(2)
    expect(stderr.trimEnd().split('\n')).toHaveLength(12)
    const r = JSON.parse(stdout) as Record<string, number>
    const names = 'testError,untrainedError,meanImageError,epochs,images,msPerStep,arenaBytes,moduleBytes,compileMs'
    expect(Object.keys(r).join()).toBe(names)
    for (const value of Object.values(r)) expect(value).toBeGreaterThan(0)
    expect([r.epochs, r.images]).toEqual([1, 12_800])
    expect(r.testError).toBeLessThan(r.untrainedError / 4)
    // What the net draws is of the image, not of all images alike.
    expect(r.testError).toBeLessThan(0.75 * r.meanImageError)
    const file = readFileSync(picture)
    expect(file.subarray(0, 14).toString()).toBe('P5\n298 58\n255\n')
    expect(file.length).toBe(14 + 298 * 58)
  }, 60_000)

  test('refuses a folder that is not there before it trains', async () => {
    await expect(run('--picture', join(folder, 'missing', 'digits.pgm'))).rejects.toThrow('ENOENT')
  })

  test('--help trains nothing', async () => {
    expect(await run('--help')).toEqual({ stdout: HELP, stderr: '' })
  })
})

/** Five images of four pixels; image i has the pixels 51·i. */
const pixels = Uint8Array.from({ length: 20 }, (_, i) => 51 * Math.floor(i / 4))
const digits: Digits = { count: 5, pixels, labels: new Uint8Array(5) }

describe('images', () => {
  test('in order, from 0 to 1; what fills no batch is left out', () => {
    const seen: number[][] = []
    for (const { x } of imagesOf(digits, 2)) seen.push([...x])
    const four = (v: number): number[] => new Array<number>(4).fill(Math.fround(v))
    expect(seen).toEqual([[...four(0), ...four(0.2)], [...four(0.4), ...four(0.6)]])
  })

  test('shuffled: all of them once, the same for the same seed', () => {
    const order = (seed: number): number[] => {
      const seen: number[] = []
      for (const { x } of imagesOf(digits, 1, mulberry32(seed))) seen.push(Math.round(5 * x[0]))
      return seen
    }
    expect(order(2)).toEqual(order(2))
    expect(order(2).sort()).toEqual([0, 1, 2, 3, 4])
    expect(new Set([1, 2, 3, 4].map((seed) => order(seed).join())).size).toBeGreaterThan(1)
  })

  test('the first of them', () => {
    expect(firstOf(digits, 2)).toEqual({ count: 2, pixels: digits.pixels.subarray(0, 8), labels: new Uint8Array(2) })
    expect(firstOf(digits, 9).count).toBe(5)
  })
})

test('a picture has images above what became of them, ink being black', () => {
  const images = new Float32Array(2 * 784)
  const made = new Float32Array(2 * 784)
  images[0] = 1
  images[784 + 27] = 0.5
  made[783] = 2
  made[784] = -1
  const file = pictureOf(images, made, 2)
  const header = 'P5\n58 58\n255\n'
  expect(Buffer.from(file.subarray(0, header.length)).toString()).toBe(header)
  const at = (x: number, y: number): number => file[header.length + 58 * y + x]
  expect([at(0, 0), at(57, 0), at(27, 57), at(30, 30), at(28, 5), at(5, 29)]).toEqual([0, 128, 0, 255, 255, 255])
  expect([...file.subarray(header.length)].filter((v) => v < 255)).toHaveLength(3)
})

describe('options', () => {
  test('defaults, and all of them', () => {
    const usual = { epochs: 1, images: 60_000, target: 'wasm', seed: 0, picture: null, json: false, help: false }
    expect(readOptions([])).toEqual(usual)
    const args = ['--short', '--epochs', '3', '--target=js', '--seed', '9', '--picture', 'a.pgm', '--json', '--help']
    const all = { epochs: 3, images: 12_800, target: 'js', seed: 9, picture: 'a.pgm', json: true, help: true }
    expect(readOptions(args)).toEqual(all)
  })

  test('refuses what it does not know', () => {
    const wrong = [['--epochs', '0'], ['--target', 'native'], ['--seed=-1'], ['--picture', ''], ['--epoch', '3'], ['digits']]
    for (const args of wrong) {
      expect(() => readOptions(args), args.join(' ')).toThrow(args[0].split('=')[0])
    }
  })

  test('the help names every option', () => {
    for (const name of ['epochs', 'short', 'target', 'seed', 'picture', 'json', 'help']) expect(HELP).toContain(`--${name}`)
  })
})
