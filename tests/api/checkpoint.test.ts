import { describe, expect, test } from 'vitest'
import { checkpoint, compile, f32, fn, GradcError, nn, optim, type Node } from '../../src/index.ts'

type Apply = (layer: nn.Layer, x: Node<'f32'>) => Node<'f32'>

/** Six blocks of four layers, each applied as told. */
function program(apply: Apply, target: 'wasm' | 'js' = 'wasm') {
  const block = () => nn.sequential(nn.linear(16, 16), nn.tanh, nn.linear(16, 16), nn.sigmoid, nn.linear(16, 16), nn.tanh)
  const blocks = Array.from({ length: 6 }, block)
  const net = nn.model(Object.fromEntries(blocks.map((b, i) => [`block${i}`, b])), (_, x) => blocks.reduce((v, b) => apply(b, v as Node<'f32'>), x as Node<'f32'>))
  const train = fn({ x: f32(256, 16) }, ({ x }) => ({ loss: nn.mse(net(x), x) }))
  return compile({ train: train.minimize('loss', optim.sgd({ lr: 0.1 })) }, { target, verify: true })
}

const inputs = { x: Float32Array.from({ length: 256 * 16 }, (_, i) => Math.sin(i)) }
const plain: Apply = (layer, x) => layer(x)
const segment: Apply = (layer, x) => checkpoint(layer, x)

async function course(p: ReturnType<typeof program>): Promise<string> {
  const model = await p.load()
  return [...Array.from({ length: 5 }, () => model.train(inputs).loss), ...model.save()].join()
}

describe('checkpoint', () => {
  test('changes no bit, on either target', async () => {
    const wanted = await course(program(plain))
    expect(await course(program(segment))).toBe(wanted)
    expect(await course(program(segment, 'js'))).toBe(wanted)
  })

  test('keeps what goes into a segment, not what is computed inside', () => {
    expect(program(segment).memory.arenaBytes).toBeLessThan(0.65 * program(plain).memory.arenaBytes)
  })

  test('refuses what is no function, no tensor, or gives none', () => {
    const refused = (use: (x: Node<'f32'>) => unknown): string => {
      try {
        fn({ x: f32(2) }, ({ x }) => ({ y: use(x) as Node }))
      } catch (error) {
        return (error as GradcError).code
      }
      return 'nothing'
    }
    expect(refused((x) => checkpoint(x as never, x))).toBe('option/invalid')
    expect(refused(() => checkpoint((v) => v, 3 as never))).toBe('operand/invalid')
    expect(refused((x) => checkpoint(() => 3 as never, x))).toBe('operand/invalid')
  })
})
