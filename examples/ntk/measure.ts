import { compile, f64, fn, nn, optim, slice } from '../../src/index.ts'
import { eigen } from './eigen.ts'
import { limitKernel } from './limit.ts'
import { FEATURES, netOf } from './network.ts'
import type { Options } from './options.ts'
import { predicted } from './regression.ts'

/** Points on the unit circle: every other one is trained on. */
const POINTS = 24
const TRAIN = 12

/** What one width shows. */
export interface Measured {
  readonly width: number
  /** Largest |K − Kᵀ|: the kernel is symmetric but for rounding. */
  readonly asymmetry: number
  /** Extreme eigenvalues of the kernel over the training points; none is negative. */
  readonly leastEigenvalue: number
  readonly largestEigenvalue: number
  /** ‖K − limit‖ / ‖limit‖ at all points. */
  readonly kernelError: number
  readonly firstLoss: number
  readonly lastLoss: number
  /** Largest difference of the trained net from what its first kernel foretold, over all points; targets lie in [−1, 1]. */
  readonly gap: number
  /** By how much the outputs moved at most, for comparison. */
  readonly moved: number
}

/** Points by angle, those to be trained on first, and the function to be learned there. */
function circle(): { x: Float64Array<ArrayBuffer>; y: Float64Array<ArrayBuffer> } {
  const x = new Float64Array(POINTS * FEATURES)
  const y = new Float64Array(TRAIN)
  for (let i = 0; i < POINTS; i++) {
    // Point 2k of the circle is the k-th of training, point 2k + 1 the k-th of the rest.
    const angle = (2 * Math.PI * (i < TRAIN ? 2 * i : 2 * (i - TRAIN) + 1)) / POINTS
    x.set([Math.cos(angle), Math.sin(angle)], i * FEATURES)
    if (i < TRAIN) y[i] = Math.sin(2 * angle)
  }
  return { x, y }
}

interface Declared {
  readonly width: number
  readonly rate: number
  readonly target: 'wasm' | 'js'
  readonly seed: number
}

/** The net's outputs and kernel at all points, and a step of gradient descent on ½·Σ(f − y)² at those of training. */
function declare({ width, rate, target, seed }: Declared) {
  const { outputs, kernel } = netOf(width)
  const inputs = { x: f64(POINTS, FEATURES) } as const
  const view = fn(inputs, ({ x }) => ({ f: outputs(x), kernel: kernel(x) }))
  const train = fn({ ...inputs, y: f64(TRAIN) }, ({ x, y }) => {
    return { loss: nn.halfSquaredError(outputs(slice(x, { stop: TRAIN })), y) }
  }).minimize('loss', optim.sgd({ lr: rate }))
  return compile({ view, train }, { target, seed, name: 'ntk' })
}

/** Makes a net of that width, compares its kernel with the limit, trains it, and compares it with what was foretold. */
export async function measure(
  width: number, { steps, target, seed }: Pick<Options, 'steps' | 'target' | 'seed'>,
): Promise<{ measured: Measured; compileMs: number }> {
  const { x, y } = circle()
  const limit = limitKernel(x, POINTS)
  const largest = (of: ArrayLike<number>): number => Array.from(of).reduce((m, v) => Math.max(m, Math.abs(v)), 0)
  // No faster than the limit's steepest direction allows: twice as much would diverge.
  const rate = 1 / largest(eigen(limit, POINTS).values)
  const began = performance.now()
  const program = declare({ width, rate, target, seed })
  const compileMs = performance.now() - began
  const model = await program.load()

  const before = model.view({ x })
  const [first, kernel] = [before.f.slice(), before.kernel.slice()]
  const asymmetry = largest(kernel.map((v, i) => v - kernel[(i % POINTS) * POINTS + Math.floor(i / POINTS)]))
  const among = Float64Array.from({ length: TRAIN * TRAIN }, (_, i) => kernel[Math.floor(i / TRAIN) * POINTS + (i % TRAIN)])
  const values = eigen(among, TRAIN).values.sort()
  const norm = (of: Float64Array): number => Math.sqrt(of.reduce((sum, v) => sum + v * v, 0))

  const losses: number[] = []
  for (let step = 0; step < steps; step++) losses.push(model.train({ x, y }).loss)
  const trained = model.view({ x }).f.slice()
  const foretold = predicted({ kernel, n: POINTS, train: TRAIN, first, target: y, rate, steps })
  const measured: Measured = {
    width,
    asymmetry,
    leastEigenvalue: values[0],
    largestEigenvalue: values[TRAIN - 1],
    kernelError: norm(kernel.map((v, i) => v - limit[i])) / norm(limit),
    firstLoss: losses[0],
    lastLoss: losses[steps - 1],
    gap: largest(trained.map((v, i) => v - foretold[i])),
    moved: largest(trained.map((v, i) => v - first[i])),
  }
  return { measured, compileMs }
}
