// What convolutions refuse, where, and with which words.
import { describe, expect, test } from 'vitest'
import { Builder } from '../../src/ir/builder.ts'
import type { Node } from '../../src/ir/graph.ts'
import * as nn from '../../src/nn/index.ts'
import { refusal } from '../passes/numbers.ts'

const input = (...shape: number[]): Node => new Builder().input('x', { dtype: 'f32', shape })

describe('layers refuse when they are made', () => {
  test.each([
    ['no channels', () => nn.conv2d(0, 3, 3), '0'],
    ['negative channels', () => nn.conv1d(3, -1, 3), '-1'],
    ['a fractional kernel', () => nn.conv2d(3, 3, 1.5), '1.5'],
    ['an empty kernel', () => nn.conv2d(3, 3, 0), '0'],
    ['a kernel of three axes', () => nn.conv2d(3, 3, [1, 2, 3]), '[1, 2, 3]'],
    ['no kernel', () => nn.conv2d(3, 3, undefined as unknown as number), 'undefined'],
    ['stride 0', () => nn.conv2d(3, 3, 3, { stride: 0 }), 'stride cannot be 0'],
    ['a string as stride', () => nn.conv2d(3, 3, 3, { stride: '2' as unknown as number }), 'stride cannot be "2"'],
    ['dilation NaN', () => nn.conv1d(3, 3, 3, { dilation: NaN }), 'dilation cannot be NaN'],
    ['negative padding', () => nn.conv2d(3, 3, 3, { padding: [1, -1] }), 'padding cannot be [1, -1]'],
    ['unknown padding', () => nn.conv2d(3, 3, 3, { padding: 'full' as 'same' }), 'padding cannot be "full"'],
    ['same with stride', () => nn.conv2d(3, 3, 3, { padding: 'same', stride: 2 }), `'same' needs stride 1`],
    ['unknown mode', () => nn.conv2d(3, 3, 3, { paddingMode: 'mirror' as 'reflect' }), 'paddingMode cannot be "mirror"'],
    ['groups not dividing in', () => nn.conv2d(3, 4, 3, { groups: 2 }), '2 groups do not divide 3 input channels'],
    ['groups not dividing out', () => nn.conv2d(4, 3, 3, { groups: 2 }), '2 groups do not divide 3 output channels'],
    ['no groups', () => nn.conv2d(4, 4, 3, { groups: 0 }), 'groups cannot be 0'],
    ['bias by number', () => nn.conv2d(4, 4, 3, { bias: 1 as unknown as boolean }), 'bias cannot be 1'],
    ['unknown options', () => nn.conv2d(4, 4, 3, { strides: 2 } as object), 'no option "strides"'],
    ['outputPadding too large', () => nn.convTranspose2d(4, 4, 3, { stride: 2, outputPadding: 2 }), 'outputPadding 2'],
    ['outputPadding at stride 1', () => nn.convTranspose1d(4, 4, 3, { outputPadding: 1 }), 'outputPadding 1'],
    ['paddingMode of transposed ones', () => nn.convTranspose1d(4, 4, 3, { paddingMode: 'zeros' } as object), '"paddingMode"'],
    ['transposed groups', () => nn.convTranspose2d(4, 3, 3, { groups: 4 }), '4 groups do not divide 3 output channels'],
  ] as const)('%s', (_, make, text) => {
    const error = refusal(make)
    expect(error.code).toBe('option/invalid')
    expect(error.message).toContain(text)
    expect(error.hint).toBeTruthy()
  })
})

describe('layers refuse x before they declare anything', () => {
  test.each([
    ['wrong channels', nn.conv2d(3, 8, 3), [2, 4, 9, 9], 'shape/contract', 'cannot contract 4 channels with 3'],
    ['channels last', nn.conv2d(3, 8, 3), [2, 9, 9, 3], 'shape/contract', 'transpose(x, [0, -1, 1, 2])'],
    ['grouped channels', nn.conv2d(4, 8, 3, { groups: 2 }), [2, 2, 9, 9], 'shape/contract', 'cannot contract 2 channels with 4'],
    ['no batch', nn.conv2d(3, 8, 3), [3, 9, 9], 'shape/mismatch', 'expandDims(x, 0)'],
    ['too many axes', nn.conv1d(3, 8, 3), [2, 3, 9, 9], 'shape/mismatch', '[batch, channels, length]'],
    ['a scalar', nn.conv1d(3, 8, 3), [], 'shape/mismatch', '[batch, channels, length]'],
    ['a kernel too large', nn.conv2d(3, 8, 5, { padding: 1 }), [2, 3, 9, 2], 'shape/mismatch', 'over 5 does not fit into 4'],
    ['dilated too far', nn.conv1d(3, 8, 3, { dilation: 4 }), [2, 3, 8], 'shape/mismatch', 'must be at least 9'],
    ['a mirror too small', nn.conv1d(3, 8, 3, { padding: 2, paddingMode: 'reflect' }), [2, 3, 2], 'shape/mismatch', 'at least 3'],
    ['a circle too small', nn.conv1d(3, 8, 3, { padding: 3, paddingMode: 'circular' }), [2, 3, 2], 'shape/mismatch', 'least 3'],
    ['no edge', nn.conv1d(3, 8, 1, { padding: 3, paddingMode: 'replicate' }), [2, 3, 0], 'shape/mismatch', 'at least 1'],
    ['transposed: wrong channels', nn.convTranspose2d(3, 8, 3), [2, 8, 9, 9], 'shape/contract', 'contract 8 channels with 3'],
    ['transposed: nothing left', nn.convTranspose1d(3, 8, 2, { padding: 2 }), [2, 3, 3], 'shape/mismatch', 'would become 0'],
    ['transposed: no elements', nn.convTranspose1d(3, 8, 5), [2, 3, 0], 'shape/mismatch', 'at least one element'],
  ] as const)('%s', (_, layer, shape, code, text) => {
    const x = input(...shape)
    const error = refusal(() => nn.sequential(nn.relu, layer)(x))
    expect(error.code).toBe(code)
    expect(error.message).toContain(text)
    expect(error.message).toMatch(/ {2}x {3}(select|input) f32\[/)
    expect(error.message).toContain(`"1.weight" f32[`)
    expect(error.hint).toBeTruthy()
    expect(x.builder.states).toEqual([])
  })

  test('the whole message', () => {
    const error = refusal(() => nn.conv2d(3, 8, 3)(input(2, 4, 9, 9)))
    const lines = error.message.split('\n')
    expect(lines[0]).toBe('shape/contract: conv2d with "weight" f32[8, 3, 3, 3]: cannot contract 4 channels with 3')
    expect(lines[1]).toContain('x   input f32[2, 4, 9, 9] "x"')
    expect(lines[2]).toBe('                   ^ must equal 3, the channels of the weight')
    expect(lines[3]).toBe('hint: a kernel for 4 input channels')
  })

  test('other element types, and what is no tensor', () => {
    expect(refusal(() => nn.conv2d(3, 3, 3, { dtype: 'f64' })(input(1, 3, 5, 5))).code).toBe('dtype/mismatch')
    const half = new Builder().input('x', { dtype: 'f16', shape: [1, 3, 5, 5] })
    expect(refusal(() => nn.conv2d(3, 3, 3, { dtype: 'f16' })(half)).code).toBe('dtype/unsupported')
    expect(refusal(() => nn.conv2d(3, 3, 3)([1] as unknown as Node)).code).toBe('operand/invalid')
  })
})

describe('functions refuse, with both operands', () => {
  const b = new Builder()
  const x = b.input('x', { dtype: 'f32', shape: [2, 4, 9, 9] })
  let made = 0
  const tensor = (...shape: number[]): Node => b.input(`t${made++}`, { dtype: 'f32', shape })
  test.each([
    ['a weight of rank 2', () => nn.convolve(x, tensor(4, 4)), 'shape/mismatch'],
    ['a weight of rank 6', () => nn.convolve(x, tensor(1, 1, 1, 1, 1, 1)), 'shape/mismatch'],
    ['a weight for other axes', () => nn.convolve(x, tensor(4, 4, 3)), 'shape/mismatch'],
    ['other channels', () => nn.convolve(x, tensor(4, 5, 3, 3)), 'shape/contract'],
    ['groups', () => nn.convolve(x, tensor(3, 2, 3, 3), { groups: 2 }), 'option/invalid'],
    ['an empty kernel', () => nn.convolve(x, tensor(3, 4, 0, 3)), 'shape/invalid'],
    ['a large kernel', () => nn.convolve(x, tensor(3, 4, 10, 3)), 'shape/mismatch'],
    ['transposed: a weight of rank 2', () => nn.convolveTransposed(x, tensor(4, 4)), 'shape/mismatch'],
    ['transposed: channels', () => nn.convolveTransposed(x, tensor(3, 4, 3, 3)), 'shape/contract'],
    ['transposed: groups', () => nn.convolveTransposed(x, tensor(4, 2, 3, 3), { groups: 3 }), 'option/invalid'],
    ['transposed: an empty kernel', () => nn.convolveTransposed(x, tensor(4, 2, 3, 0)), 'shape/invalid'],
  ] as const)('%s', (_, call, code) => {
    const error = refusal(call)
    expect(error.code).toBe(code)
    expect(error.message).toContain('input f32[2, 4, 9, 9] "x"')
    expect(error.message).toMatch(/weight +input f32/)
  })

  test('a bias of another shape or none at all', () => {
    expect(refusal(() => nn.convolve(x, tensor(5, 4, 3, 3), { bias: tensor(4) })).message).toContain('the bias must be [5]')
    expect(refusal(() => nn.convolveTransposed(x, tensor(4, 5, 2, 2), { bias: tensor(5, 1) })).code).toBe('shape/mismatch')
    expect(refusal(() => nn.convolve(x, tensor(5, 4, 3, 2), { bias: true as unknown as Node })).code).toBe('operand/invalid')
  })
})
