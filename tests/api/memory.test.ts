import { describe, expect, test } from 'vitest'
import { compile, f32, fn, i32, nn, optim, softmaxCrossEntropy } from '../../src/index.ts'
import { bytesText, memorySvg } from '../../src/api/memory-svg.ts'

const net = nn.sequential(nn.linear(8, 16), nn.relu, nn.linear(16, 3))
const program = compile({
  train: fn({ x: f32(4, 8), y: i32(4) }, ({ x, y }) => ({ loss: softmaxCrossEntropy(net(x), y) })).minimize('loss', optim.adam({ lr: 0.1 })),
  predict: fn({ x: f32(1, 8) }, ({ x }) => ({ p: net.evaluation(x) })),
})

describe('program.memory', () => {
  test('says of each function what lives when and where, and adds up', () => {
    expect(Object.keys(program.memory.functions)).toEqual(['train', 'predict'])
    for (const f of Object.values(program.memory.functions)) {
      expect(f.live).toHaveLength(f.kernels.length)
      expect(Math.max(...f.live)).toBe(f.peakBytes)
      expect(f.live[f.peakAt]).toBe(f.peakBytes)
      expect(f.arenaBytes).toBeGreaterThanOrEqual(f.peakBytes)
      f.live.forEach((bytes, t) => {
        const living = f.buffers.filter((b) => b.from <= t && t <= b.to)
        expect(living.reduce((n, b) => n + Math.ceil(b.bytes / 16) * 16, 0)).toBe(bytes)
      })
      for (const b of f.buffers) expect(b.offset + b.bytes).toBeLessThanOrEqual(f.arenaBytes)
    }
    expect(program.memory.arenaBytes).toBeGreaterThanOrEqual(program.memory.functions.train.arenaBytes)
    expect(program.memory.functions.train.recomputePercent).toBe(0)
  })
})

describe('the picture', () => {
  test('has a box for each buffer, inside the frame', () => {
    const memory = program.memory.functions.train
    const svg = memorySvg('train', memory)
    const boxes = [...svg.matchAll(/<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"/g)]
    expect(boxes).toHaveLength(memory.buffers.filter((b) => b.bytes > 0).length)
    for (const [, x, y, width, height] of boxes.map((b) => b.map(Number))) {
      expect(x).toBeGreaterThanOrEqual(96)
      expect(x + width).toBeLessThanOrEqual(960)
      expect(y).toBeGreaterThanOrEqual(48)
      expect(y + height).toBeLessThanOrEqual(480)
    }
  })

  test('shows hostile names as text', () => {
    const memory = { ...program.memory.functions.train }
    const name = '"/><script>alert(1)</script>\u0000\ud800'
    const svg = memorySvg(name, { ...memory, buffers: memory.buffers.map((b) => ({ ...b, name })) })
    expect(svg).not.toContain('<script')
    expect(svg.includes('\u0000') || svg.includes('\ud800')).toBe(false)
  })

  test('an empty function is a picture too', () => {
    const empty = { arenaBytes: 0, peakBytes: 0, peakAt: 0, recomputePercent: 0, kernels: [], live: [], buffers: [] }
    expect(memorySvg('f', empty)).not.toContain('NaN')
  })

  test('bytes as text', () => {
    expect([0, 1023, 1024, 1536, 390_016, 3 * 2 ** 30].map(bytesText)).toEqual(['0 bytes', '1023 bytes', '1.00 KiB', '1.50 KiB', '380.9 KiB', '3.00 GiB'])
  })
})
