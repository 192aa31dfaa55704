import { expect, test } from 'vitest'
import { nn } from '../../src/index.ts'
import { hold, recorded } from './normalisation.ts'

// normalisation.py makes the numbers.
const cases = recorded('normalisation')
const layers: Readonly<Record<string, () => nn.Layer>> = {
  'batchNorm1d': () => nn.batchNorm1d(3),
  'batchNorm1d of sequences': () => nn.batchNorm1d(3, { momentum: 0.3, eps: 1e-2 }),
  'batchNorm2d': () => nn.batchNorm2d(3),
  'batchNorm2d without affine, all batches alike': () => nn.batchNorm2d(2, { affine: false, momentum: null }),
  'batchNorm1d without running statistics': () => nn.batchNorm1d(3, { trackRunningStats: false }),
  'batchNorm3d': () => nn.batchNorm3d(2),
  'instanceNorm2d': () => nn.instanceNorm2d(3),
  'instanceNorm1d, affine': () => nn.instanceNorm1d(3, { affine: true }),
  'instanceNorm2d with running statistics': () => nn.instanceNorm2d(2, { affine: true, trackRunningStats: true }),
  'layerNorm': () => nn.layerNorm(5),
  'layerNorm of two axes': () => nn.layerNorm([2, 3], { eps: 1e-3 }),
  'layerNorm without bias': () => nn.layerNorm(5, { bias: false }),
  'layerNorm without affine': () => nn.layerNorm(5, { elementwiseAffine: false }),
  'rmsNorm': () => nn.rmsNorm(5),
  'rmsNorm of two axes': () => nn.rmsNorm([2, 3], { eps: 1e-2, elementwiseAffine: false }),
  'groupNorm': () => nn.groupNorm(2, 6),
  'groupNorm of features': () => nn.groupNorm(3, 6, { eps: 1e-3 }),
  'groupNorm without affine': () => nn.groupNorm(1, 4, { affine: false }),
  'embedding': () => nn.embedding(6, 3),
  'embedding with padding': () => nn.embedding(5, 2, { paddingIdx: 1 }),
}

test('every recorded case is held', () => {
  expect(Object.keys(layers)).toEqual(Object.keys(cases))
})

test.each(Object.entries(layers))('%s is as in PyTorch', async (name, make) => {
  await hold({ layer: make() }, cases[name])
})
