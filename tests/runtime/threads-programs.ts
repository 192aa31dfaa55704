// Networks that are large enough for threads to have something to do, and a batch for each.
import {
  compile, f32, fn, gelu, i32, nn, optim, relu, reshape, softmaxCrossEntropy, type CompileOptions, type Program,
} from '../../src/index.ts'
import { stream } from '../generators.ts'

const NETS = {
  convolution: () => {
    const net = nn.sequential(
      nn.conv2d(1, 8, 3, { padding: 1 }), relu, nn.maxPool2d(2), nn.conv2d(8, 16, 3, { padding: 1 }), nn.batchNorm2d(16), relu, nn.maxPool2d(2),
      nn.flatten(), nn.dropout(0.2), nn.linear(16 * 49, 10),
    )
    return { x: f32(8, 1, 28, 28), y: i32(8), net: (x: any) => net(x) }
  },
  transformer: () => {
    const block = nn.transformerBlock(32, 4, { activation: gelu })
    const net = nn.model({ token: nn.embedding(30, 32), block, norm: nn.layerNorm(32), head: nn.linear(32, 30) }, (l, x) =>
      l.head(l.norm(l.block(l.token(x)))))
    return { x: i32(4, 24), y: i32(4 * 24), net: (x: any) => reshape(net(x) as never, [4 * 24, 30]) }
  },
  lstm: () => {
    const cell = nn.lstm({ input: 16, hidden: 48 })
    const out = nn.linear(48, 10)
    const net = nn.model({ cell, out }, (_, x) => out(reshape(cell.run(x as never).h as never, [12, 48])))
    return { x: f32(12, 6, 16), y: i32(12), net: (x: any) => net(x) }
  },
}

export type Net = keyof typeof NETS
export const NAMES = Object.keys(NETS) as Net[]

type Trained = Omit<Program, 'load' | 'spawn'> & {
  load(options?: object): Promise<any>
  spawn(options?: object): Promise<any>
}

/** A training step and the network without it, compiled. */
export function programOf(name: Net, options: CompileOptions = {}): Trained {
  const { x, y, net } = NETS[name]()
  const train = fn({ x, y } as any, ({ x: given, y: wanted }: any) => ({ loss: softmaxCrossEntropy(net(given) as never, wanted) }))
    .minimize('loss' as never, optim.adam({ lr: 1e-2 }))
  const predict = fn({ x } as any, ({ x: given }: any) => ({ logits: net(given) as never }))
  return compile({ train, predict }, { name: 'net', ...options }) as unknown as Trained
}

/** Step `step`'s inputs by the slots of the program's manifest. */
export function batchOf({ manifest }: Pick<Trained, 'manifest'>, step: number): Record<string, Float32Array | Int32Array> {
  const next = stream(step + 1)
  return Object.fromEntries(manifest.functions[0].inputs.map(({ name, dtype, shape }) => {
    const length = shape.reduce((n, d) => n * d, 1)
    const values = Array.from({ length }, () => (dtype === 'f32' ? next() * 2 - 1 : Math.floor(next() * 10)))
    return [name, dtype === 'f32' ? Float32Array.from(values) : Int32Array.from(values)]
  }))
}
