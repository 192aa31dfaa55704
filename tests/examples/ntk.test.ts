import { describe, expect, test } from 'vitest'
import { eigen } from '../../examples/ntk/eigen.ts'
import { limitKernel } from '../../examples/ntk/limit.ts'
import { main } from '../../examples/ntk/main.ts'
import { netOf } from '../../examples/ntk/network.ts'
import { HELP, readOptions } from '../../examples/ntk/options.ts'
import { predicted } from '../../examples/ntk/regression.ts'
import { compile, f64, fn, type Model } from '../../src/index.ts'

async function run(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const text = { stdout: '', stderr: '' }
  const into = (to: 'stdout' | 'stderr'): { write(more: string): void } => ({ write: (more) => void (text[to] += more) })
  await main(args, { stdout: into('stdout'), stderr: into('stderr') })
  return text
}

test('--short: the wide net is nearer to the limit than the narrow one, and trains as its kernel foretells', async () => {
  const { stdout, stderr } = await run('--short', '--json')
  expect(stdout.split('\n')).toHaveLength(2)
  expect(stderr.trimEnd().split('\n')).toHaveLength(4)
  const results = JSON.parse(stdout)
  expect(Object.keys(results).join()).toBe('narrow,wide,steps,compileMs')
  const { narrow, wide } = results as Record<'narrow' | 'wide', Record<string, number>>
  for (const m of [narrow, wide]) {
    const names = 'width,asymmetry,leastEigenvalue,largestEigenvalue,kernelError,firstLoss,lastLoss,gap,moved'
    expect(Object.keys(m).join()).toBe(names)
    expect(m.asymmetry).toBeLessThan(1e-12)
    expect(m.leastEigenvalue).toBeGreaterThan(0)
    expect(m.leastEigenvalue).toBeLessThan(m.largestEigenvalue)
    expect(m.lastLoss).toBeLessThan(m.firstLoss / 100)
  }
  expect([narrow.width, wide.width]).toEqual([32, 512])
  expect(wide.kernelError).toBeLessThan(0.1)
  expect(wide.kernelError).toBeLessThan(narrow.kernelError)
  expect(wide.gap).toBeLessThan(narrow.gap / 2)
  expect(wide.gap).toBeLessThan(wide.moved / 50)
}, 60_000)

test('the kernel is Σ ∂f(x)·∂f(y) over parameters, by differences of the outputs, on both targets', async () => {
  const [width, points] = [3, 4]
  const x = Float64Array.of(1, 0.5, -0.3, 2, 0, -1, 0.7, 0.1)
  const kernels: Float64Array[] = []
  for (const target of ['wasm', 'js'] as const) {
    const net = netOf(width)
    const view = fn({ x: f64(points, 2) }, ({ x }) => ({ f: net.outputs(x), kernel: net.kernel(x) }))
    const model: Model<{ view: typeof view }> = await compile({ view }, { target, verify: true }).load({ seed: 5 })
    kernels.push(model.view({ x }).kernel.slice())
    const expected = new Float64Array(points * points)
    for (const name of ['weight', 'bias', 'outer']) {
      const state = model.state[name] as Float64Array
      expect(state.length).toBe(name === 'weight' ? 6 : 3)
      state.forEach((v, i) => {
        const at = (moved: number): Float64Array => ((state[i] = moved), model.view({ x }).f.slice())
        const [up, down] = [at(v + 1e-5), at(v - 1e-5)]
        state[i] = v
        const slopes = up.map((u, j) => (u - down[j]) / 2e-5)
        for (let a = 0; a < points; a++) for (let b = 0; b < points; b++) expected[a * points + b] += slopes[a] * slopes[b]
      })
    }
    kernels.at(-1)!.forEach((v, i) => expect(v).toBeCloseTo(expected[i], 8))
  }
  expect(kernels[0]).toEqual(kernels[1])
})

describe('eigen', () => {
  test('of a known matrix', () => {
    const { values } = eigen(Float64Array.of(2, -1, 0, -1, 2, -1, 0, -1, 2), 3)
    const expected = [2 - Math.SQRT2, 2, 2 + Math.SQRT2]
    values.sort().forEach((v, i) => expect(v).toBeCloseTo(expected[i], 12))
  })

  test('puts any symmetric matrix together again', () => {
    for (const n of [1, 2, 5, 12]) {
      const raw = Float64Array.from({ length: n * n }, (_, i) => Math.sin(i * i * 78.233 + n))
      const a = raw.map((v, i) => v + raw[(i % n) * n + Math.floor(i / n)])
      const { values, vectors } = eigen(a, n)
      for (let i = 0; i < n; i++) {
        for (let j = 0; j < n; j++) {
          let [sum, dot] = [0, 0]
          for (let k = 0; k < n; k++) {
            sum += vectors[i * n + k] * values[k] * vectors[j * n + k]
            dot += vectors[k * n + i] * vectors[k * n + j]
          }
          expect(sum).toBeCloseTo(a[i * n + j], 11)
          expect(dot).toBeCloseTo(i === j ? 1 : 0, 12)
        }
      }
    }
    expect([...eigen(new Float64Array(4), 2).values]).toEqual([0, 0])
  })
})

test('regression is gradient descent on the linearised net, step by step', () => {
  const x = Float64Array.of(1, 0, 0, 1, -1, 0, 0.6, 0.8, 0.5, -0.2)
  const [n, train, rate, steps] = [5, 3, 0.2, 40]
  const kernel = limitKernel(x, n)
  const [first, target] = [Float64Array.of(0.3, -0.1, 0.5, 0.2, 0), Float64Array.of(1, -1, 0.5)]
  let f = first.slice()
  for (let step = 0; step < steps; step++) {
    const before = f
    f = f.map((v, i) => v - rate * target.reduce((sum, y, j) => sum + kernel[i * n + j] * (before[j] - y), 0))
  }
  predicted({ kernel, n, train, first, target, rate, steps }).forEach((v, i) => expect(v).toBeCloseTo(f[i], 10))
})

test('the limit is an expectation over units: sampled, for two inputs', () => {
  const x = Float64Array.of(1, 0, 0.6, 0.8)
  const kernel = limitKernel(x, 2)
  // Quadrature over the plane of the two pre-activations u = w·x + b: both covariances with Λ = x·y + 1.
  const [l00, l01, l11] = [2, 1.6, 2]
  const root = [Math.sqrt(l00), l01 / Math.sqrt(l00), Math.sqrt(l11 - (l01 * l01) / l00)]
  let [outer, inner] = [0, 0]
  const h = 0.1
  for (let a = -6; a <= 6; a += h) {
    for (let b = -6; b <= 6; b += h) {
      const weight = (Math.exp(-(a * a + b * b) / 2) / (2 * Math.PI)) * h * h
      const [u, v] = [root[0] * a, root[1] * a + root[2] * b]
      outer += weight * erfOf(u) * erfOf(v)
      inner += weight * (4 / Math.PI) * Math.exp(-u * u - v * v)
    }
  }
  expect(kernel[1]).toBeCloseTo(outer + 1.6 * inner, 6)
  expect(kernel[2]).toBe(kernel[1])
})

/** 2/√π·∫₀ˣ e^(−t²) dt by Simpson's rule. */
function erfOf(x: number): number {
  const n = 64
  const h = x / n
  let sum = 0
  for (let i = 0; i <= n; i++) sum += Math.exp(-((i * h) ** 2)) * (i === 0 || i === n ? 1 : i % 2 ? 4 : 2)
  return ((2 / Math.sqrt(Math.PI)) * h * sum) / 3
}

describe('options', () => {
  test('defaults, and all of them', () => {
    expect(readOptions([])).toEqual({ width: 2048, steps: 500, target: 'wasm', seed: 0, json: false, help: false })
    expect(readOptions(['--short'])).toEqual({ width: 512, steps: 200, target: 'wasm', seed: 0, json: false, help: false })
    const args = ['--width', '64', '--steps', '7', '--target=js', '--seed', '9', '--json', '--help']
    expect(readOptions(args)).toEqual({ width: 64, steps: 7, target: 'js', seed: 9, json: true, help: true })
  })

  test('refuses what it does not know', () => {
    for (const args of [['--width', '15'], ['--steps', '0'], ['--target', 'native'], ['--seed=-1'], ['--wide', '3'], ['ntk']]) {
      expect(() => readOptions(args), args.join(' ')).toThrow(args[0].split('=')[0])
    }
  })

  test('the help names every option', async () => {
    for (const name of ['width', 'steps', 'short', 'target', 'seed', 'json', 'help']) expect(HELP).toContain(`--${name}`)
    expect(await run('--help')).toEqual({ stdout: HELP, stderr: '' })
  })
})
