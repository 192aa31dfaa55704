// A small convolutional net as a compiled training step: it learns, with the same bits on both back ends.
import { describe, expect, test } from 'vitest'
import { add, compile, f32, fn, i32, nn, optim, softmaxCrossEntropy, type Tensor } from '../../src/index.ts'

/** Pictures of a bar, upright (0) or level (1), at any place and with noise. */
function bars(n: number): { x: Float32Array; y: Int32Array } {
  const noise = (i: number): number => Math.sin(i * 78.233 + 0.5) * 0.2
  const y = Int32Array.from({ length: n }, (_, i) => i % 2)
  const x = Float32Array.from({ length: n * 64 }, (_, i) => {
    const [picture, row, column] = [Math.floor(i / 64), Math.floor(i / 8) % 8, i % 8]
    return (y[picture] ? row : column) === (picture * 3) % 8 ? 1 + noise(i) : noise(i)
  })
  return { x, y }
}

describe('a convolutional net', () => {
  test('learns on both back ends, bit by bit the same', async () => {
    const body = nn.sequential(
      nn.unflatten(1, [1, 8, 8]), nn.conv2d(1, 4, 3, { padding: 1 }), nn.relu, nn.maxPool2d(2),
      nn.conv2d(4, 4, 3, { padding: 'same', groups: 4 }), nn.conv2d(4, 8, 1), nn.relu,
    )
    const heads = [nn.globalAveragePool, nn.globalMaxPool, (x: Tensor) => nn.flatten()(nn.adaptiveAveragePool2d(1)(x))]
    const classes = nn.linear(8, 2)
    const net = nn.model({ body, classes }, (children, x) => {
      const z = children.body(x)
      return children.classes(heads.map((head) => head(z)).reduce((a, b) => add(a, b)))
    })
    const train = fn({ x: f32(16, 64), y: i32(16) }, ({ x, y }) => ({ loss: softmaxCrossEntropy(net(x), y) }))
      .minimize('loss', optim.adam({ lr: 0.02 }))
    const runs = await Promise.all((['wasm', 'js'] as const).map(async (target) => {
      const model = await compile({ train }, { target, verify: true }).load()
      const losses = Array.from({ length: 60 }, () => model.train(bars(16)).loss)
      return { losses, weights: model.save() }
    }))
    expect(runs[1]).toEqual(runs[0])
    expect(runs[0].losses[0]).toBeGreaterThan(0.5)
    expect(runs[0].losses[59]).toBeLessThan(0.1)
    expect(classes.parameters[0].name).toBe('classes.weight')
  })
})
