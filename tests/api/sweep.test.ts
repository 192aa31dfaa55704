import { expect, test } from 'vitest'
import { compile, f32, fn, nn, optim } from '../../src/index.ts'
import { sweep, sweepSvg } from '../../src/api/sweep.ts'

const net = nn.sequential(...Array.from({ length: 6 }, () => nn.residual(nn.sequential(nn.linear(8, 8), nn.tanh))))
const program = compile({ train: fn({ x: f32(64, 8) }, ({ x }) => ({ loss: nn.mse(net(x), x) })).minimize('loss', optim.sgd({ lr: 0.1 })) })

test('from what the program takes without a budget to the least, each point kept', () => {
  const points = sweep(program, 4)
  expect(points).toHaveLength(4)
  expect(points[0]).toEqual({ budget: program.memory.arenaBytes, arenaBytes: program.memory.arenaBytes, recomputePercent: 0 })
  for (const p of points) expect(p.arenaBytes).toBeLessThanOrEqual(p.budget)
  expect(points[3].arenaBytes).toBeLessThan(points[0].arenaBytes)
  expect(points[3].recomputePercent).toBeGreaterThan(0)
  points.slice(1).forEach((p, i) => expect(p.budget).toBeLessThanOrEqual(points[i].budget))
})

test('a program that cannot do with less has one point', () => {
  const small = compile({ f: fn({ x: f32(2) }, ({ x }) => ({ y: nn.relu(x) })) })
  expect(sweep(small)).toHaveLength(1)
})

test('the picture has a dot for each point', () => {
  const points = sweep(program, 3)
  const svg = sweepSvg('<b>', points)
  expect(svg.match(/<circle/g)).toHaveLength(points.length)
  expect(svg).not.toContain('<b>')
})
