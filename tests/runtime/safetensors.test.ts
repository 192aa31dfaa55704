// Weights files: what is written, what is taken, what is refused.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  add, cast, compile, f32, fn, mean, mul, nn, optim, sum, type Functions, type Model, type Tensor,
} from '../../src/index.ts'
import { GradcError } from '../../src/ir/errors.ts'
import { codeOf } from '../code-of.ts'
import { fileOf, randomOf, read } from './safetensors-files.ts'

const DTYPES = ['f32', 'f64', 'i32', 'u32', 'bool', 'f16', 'bf16'] as const

/** One state of each type, a scalar, an empty one, and hostile names. */
function everyType() {
  const state = (name: string, shape: number[], dtype: (typeof DTYPES)[number]) =>
    new nn.Parameter(name, shape, nn.init.ones, { dtype, trainable: false })
  const states = [
    ...DTYPES.map((dtype, i) => state(dtype, [2, 1 + i], dtype)), state('scalar', [], 'f32'), state('empty', [0, 3], 'f64'),
    state('__proto__', [1], 'f32'), state('quote " \\ \n \u2028 ü 𝄞', [2], 'f32'), state('1', [1], 'f32'), state('toString', [1], 'bool'),
  ]
  return fn({ x: f32() }, ({ x }) => {
    const of = (p: nn.Parameter): Tensor => p.of(x)
    return { y: states.reduce<Tensor>((y, p) => add(y, sum(cast(of(p), 'f32'))), x) }
  })
}

let model: Model<Functions>
let saved: Uint8Array<ArrayBuffer>
const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array => new Uint8Array(buffer, byteOffset, byteLength).slice()

/** The model is as it was when it was saved. */
const expectUnchanged = (): void => expect(model.save()).toEqual(saved)

beforeAll(async () => {
  model = await compile({ f: everyType() }).load() as never
  // Other bytes in every place, so that a tensor in a wrong place is seen.
  let n = 1
  for (const [name, view] of Object.entries(model.state)) {
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
    bytes.forEach((_, i) => (bytes[i] = name === 'bool' || name === 'toString' ? i % 2 : n++ % 120))
  }
  saved = model.save()
})

describe('what is saved', () => {
  it('is the format: lengths, alignment, no gaps, every type, every name', () => {
    const { header, metadata, tensors } = read(saved)
    const length = Number(new DataView(saved.buffer).getBigUint64(0, true))
    expect(length % 8).toBe(0)
    expect(metadata).toEqual({ format: 'gradc', program: 'program', manifest: model.manifest.hash })
    expect(model.manifest.hash).toMatch(/^[\da-f]{16}$/)
    expect([...tensors.keys()].sort()).toEqual(Object.keys(model.state).sort())
    let at = 0
    for (const { name, dtype, shape } of model.manifest.states) {
      const entry = Object.getOwnPropertyDescriptor(header, name)!.value
      expect(entry).toEqual({ dtype: dtype.toUpperCase(), shape, data_offsets: [at, at + model.state[name].byteLength] })
      expect(tensors.get(name)).toEqual(bytesOf(model.state[name]))
      at += model.state[name].byteLength
    }
    expect(saved.length).toBe(8 + length + at)
  })

  it('says of which program: one hash for both targets, another for other functions or states', async () => {
    const hashOf = (functions: Functions, options: object): string => compile(functions, options).manifest.hash
    const net = nn.linear(2, 1)
    const f = fn({ x: f32(3, 2) }, ({ x }) => ({ y: net(x) }))
    const hash = hashOf({ f }, {})
    expect(hashOf({ f }, { target: 'js' })).toBe(hash)
    const others = [
      hashOf({ f }, { seed: 1 }), hashOf({ f }, { name: 'other' }), hashOf({ g: f }, {}),
      hashOf({ f: fn({ x: f32(4, 2) }, ({ x }) => ({ y: net(x) })) }, {}), hashOf({ f: fn({ x: f32(3, 2) }, ({ x }) => ({ z: net(x) })) }, {}),
    ]
    expect(new Set([hash, ...others]).size).toBe(6)
  })

  it('has no room for a state of the name of its metadata', () => {
    expect(codeOf(() => new nn.Parameter('__metadata__', [1], nn.init.ones))).toBe('name/invalid')
  })
})

describe('restore', () => {
  it('takes all, and says so', () => {
    const names = model.manifest.states.map((s) => s.name)
    for (const view of Object.values(model.state)) view.fill(0)
    expect(model.restore(saved)).toEqual({ taken: names, kept: [], left: [], sameProgram: true })
    expectUnchanged()
    expect(model.restore(saved, { strict: false }).taken).toEqual(names)
  })

  it('loosely takes what fits by name, type and shape, and says what it left', () => {
    const { header, tensors } = read(saved)
    const body = new Uint8Array([...tensors.get('i32')!, ...tensors.get('f16')!, ...tensors.get('bf16')!, 9, 0, 0, 0, 0, 0, 0, 0])
    const [a, b, c] = ['i32', 'f16', 'bf16'].map((name) => tensors.get(name)!.length)
    const partial = fileOf({
      i32: { ...header.i32, data_offsets: [0, a] },
      // The right bytes, but of another type, and of another shape.
      f16: { dtype: 'BF16', shape: header.f16.shape, data_offsets: [a, a + b] },
      bf16: { dtype: 'BF16', shape: [header.bf16.shape[1], 2], data_offsets: [a + b, a + b + c] },
      steps: { dtype: 'I64', shape: [], data_offsets: [a + b + c, a + b + c + 8] },
    }, body)
    model.state.i32.fill(-1)
    expect(codeOf(() => model.restore(partial))).toBe('file/invalid')
    expect(model.state.i32).toEqual(new Int32Array(6).fill(-1))
    const { taken, kept, left, sameProgram } = model.restore(partial, { strict: false })
    expect([taken, sameProgram]).toEqual([['i32'], false])
    expect(kept).toEqual(model.manifest.states.map((s) => s.name).filter((name) => name !== 'i32'))
    expect(left).toEqual([{ name: 'f16', type: 'BF16 [2,6]' }, { name: 'bf16', type: 'BF16 [7,2]' }, { name: 'steps', type: 'I64 []' }])
    expectUnchanged()
  })

  it('names what does not fit, and the way on', () => {
    const told = (header: object, body: Uint8Array): string => {
      try {
        model.restore(fileOf(header, body))
      } catch (e) {
        return `${(e as GradcError).problem} | ${(e as GradcError).hint}`
      }
      return ''
    }
    const body = new Uint8Array(8)
    expect(told({ f32: { dtype: 'F32', shape: [2], data_offsets: [0, 8] } }, body)).toMatch(/^tensor "f32" is F32 \[2\] in the file, F32 \[2,1\] in this/)
    expect(told({ f32: { dtype: 'F16', shape: [2, 2], data_offsets: [0, 8] } }, body)).toContain('"f32" is F16 [2,2] in the file, F32 [2,1] in this')
    expect(told({}, new Uint8Array(0))).toBe(
      'tensor "f32" is not in the file, F32 [2,1] in this program | nothing was changed; save() gives such files, and ' +
      'restore(file, { strict: false }) takes what fits',
    )
    const { header, tensors } = read(saved)
    const all = Object.assign(Object.create(null), header, { extra: { dtype: 'U8', shape: [0], data_offsets: [0, 0] } })
    const whole = new Uint8Array(Object.keys(header).flatMap((name) => [...tensors.get(name)!]))
    let at = 0
    const moved = Object.fromEntries(Object.entries(all as typeof header).map(([name, e]) => {
      const size = e.data_offsets[1] - e.data_offsets[0]
      return [name, { ...e, data_offsets: [at, (at += size)] }]
    }))
    expect(told(moved, whole)).toContain('tensor "extra" is U8 [0] in the file, not in this program')
  })

  it('turns bools of 255 into 1, copies what it takes, reads shared memory', () => {
    const { header, tensors } = read(saved)
    const bool = fileOf({ bool: { ...header.bool, data_offsets: [0, 10] } }, new Uint8Array(10).fill(255))
    expect(model.restore(bool, { strict: false }).taken).toEqual(['bool'])
    bool.fill(0)
    expect(model.state.bool).toEqual(new Uint8Array(10).fill(1))
    const shared = new Uint8Array(new SharedArrayBuffer(saved.length))
    shared.set(saved)
    model.restore(shared)
    expect(bytesOf(model.state.bool)).toEqual(tensors.get('bool'))
  })

  it('refuses wrong options', () => {
    for (const strict of [0, 'false', {}, Object.create(null)]) expect(codeOf(() => model.restore(saved, { strict }))).toBe('option/invalid')
  })
})

describe('hostile files', () => {
  const w = { dtype: 'F32', shape: [2], data_offsets: [0, 8] }
  const body = new Uint8Array(8)
  const none = new Uint8Array(0)
  const deep = '['.repeat(200_000)
  const HOSTILE: Record<string, Uint8Array> = {
    empty: none,
    short: new Uint8Array(7),
    'no header': new Uint8Array(8),
    'a length of 2^64 - 1': fileOf({ w }, body, 2n ** 64n - 1n),
    'a length of 2^63': fileOf({ w }, body, 2n ** 63n),
    'a length one too long': fileOf({ w }, none, JSON.stringify({ w }).length + 1),
    'half a header': fileOf('{"w":', body),
    'null': fileOf('null', none),
    'a list': fileOf('[]', none),
    'a space first': fileOf(' {}', none),
    'a byte order mark': fileOf('\ufeff{}', none),
    'bytes that are no text': fileOf({ w }, body).map((b, i) => (i === 10 ? 0xff : b)),
    'depth': fileOf(deep, none),
    'depth that closes': fileOf(`{"w":{"dtype":"F32","shape":${deep}${']'.repeat(200_000)},"data_offsets":[0,8]}}`, body),
    'null for a tensor': fileOf({ w: null }, none),
    'a list for a tensor': fileOf({ w: [] }, none),
    'a number for a tensor': fileOf({ w: 1 }, none),
    'a tensor without type': fileOf({ w: { shape: [2], data_offsets: [0, 8] } }, body),
    'an unknown type': fileOf({ w: { ...w, dtype: 'X32' } }, body),
    'a type that cannot be shown': fileOf('{"w":{"dtype":{"toString":1,"valueOf":1},"shape":[2],"data_offsets":[0,8]}}', body),
    'a type that lies': fileOf({ w: { ...w, dtype: 'F64' } }, body),
    'a shape that lies': fileOf({ w: { ...w, shape: [3] } }, body),
    'a negative extent': fileOf({ w: { ...w, shape: [-2] } }, body),
    'two negative extents': fileOf({ w: { ...w, shape: [-1, -2] } }, body),
    'a fraction': fileOf({ w: { ...w, shape: [0.5, 4] } }, body),
    'a huge extent': fileOf({ w: { ...w, shape: [2 ** 52] } }, body),
    'extents beyond all numbers': fileOf({ w: { ...w, shape: Array(40).fill(2 ** 52) } }, body),
    'extents beyond all numbers, and none': fileOf({ w: { ...w, shape: [...Array(40).fill(2 ** 52), 0], data_offsets: [0, 0] } }, none),
    'text for a shape': fileOf({ w: { ...w, shape: '2' } }, body),
    'text for offsets': fileOf({ w: { ...w, data_offsets: '08' } }, body),
    'objects for offsets': fileOf('{"w":{"dtype":"F32","shape":[2],"data_offsets":[{"toString":1},{"valueOf":1}]}}', body),
    'three offsets': fileOf({ w: { ...w, data_offsets: [0, 8, 8] } }, body),
    'negative offsets': fileOf({ w: { ...w, data_offsets: [-8, 0] } }, body),
    'offsets backwards': fileOf({ w: { ...w, data_offsets: [8, 0] } }, body),
    'offsets outside': fileOf({ w: { ...w, data_offsets: [8, 16] } }, body),
    'huge offsets': fileOf({ w: { ...w, data_offsets: [2 ** 53 - 9, 2 ** 53 - 1] } }, body),
    'an overlap': fileOf({ v: w, w }, body),
    'half an overlap': fileOf({ v: w, w: { ...w, data_offsets: [4, 12] } }, new Uint8Array(12)),
    'a gap': fileOf({ v: w, w: { ...w, data_offsets: [12, 20] } }, new Uint8Array(20)),
    'a gap before': fileOf({ w: { ...w, data_offsets: [8, 16] } }, new Uint8Array(16)),
    'bytes after': fileOf({ w }, new Uint8Array(16)),
    'a name twice': fileOf(`{"w":${JSON.stringify(w)},"w":${JSON.stringify(w)}}`, body),
    'a name twice, once escaped': fileOf(`{"w":${JSON.stringify(w)},"\\u0077":${JSON.stringify(w)}}`, body),
    'a type twice': fileOf('{"w":{"dtype":"F64","dtype":"F32","shape":[2],"data_offsets":[0,8]}}', body),
    '__proto__ twice': fileOf(`{"__proto__":${JSON.stringify(w)},"__proto__":${JSON.stringify(w)}}`, body),
    '__proto__ of no tensor': fileOf('{"__proto__":{"x":1}}', none),
    'metadata twice': fileOf('{"__metadata__":{},"__metadata__":{}}', none),
    'metadata that are a list': fileOf('{"__metadata__":[]}', none),
    'metadata that are null': fileOf('{"__metadata__":null}', none),
    'objects in metadata': fileOf('{"__metadata__":{"a":{"b":"c"}}}', none),
  }

  it.each(Object.keys(HOSTILE))('%s: an error of one line, nothing changed', (name) => {
    for (const strict of [true, false]) {
      let error: unknown
      try {
        model.restore(HOSTILE[name], { strict })
      } catch (e) {
        error = e
      }
      expect(error).toBeInstanceOf(GradcError)
      expect((error as GradcError).code).toBe('file/invalid')
      expect((error as GradcError).problem.length).toBeLessThan(400)
    }
    expectUnchanged()
    expect(({} as any).x).toBeUndefined()
  })

  it.each(['weights', null, undefined, {}, [1, 2], new ArrayBuffer(16), new DataView(new ArrayBuffer(16)), new Float32Array(4)])('%s is no file', (file) => {
    expect(codeOf(() => model.restore(file as never))).toBe('file/invalid')
  })

  it('a name of a megabyte is cut in the error', () => {
    const name = 'n'.repeat(1_000_000)
    expect(() => model.restore(fileOf({ [name]: w }, body))).toThrow(/file\/invalid/)
    try {
      model.restore(fileOf({ [name]: { ...w, dtype: 'F64' } }, body))
    } catch (e) {
      expect((e as Error).message.length).toBeLessThan(500)
    }
  })

  it('10,000 mutated files: a clear error, or the bytes that the file has, without memory that it does not', () => {
    const random = randomOf(20261121)
    const words = ['-1', '1e999', '9007199254740993', '4294967296', 'null', '[]', '{}', '"__proto__"', '"F64"', '"BOOL"', '"F32"', ',', '}', ':', '0', '\\u0000']
    const counts = { refused: 0, taken: 0 }
    const before = process.memoryUsage().arrayBuffers
    let most = 0
    for (let i = 0; i < 10_000; i++) {
      const file = mutated(saved, random, words)
      const strict = random(2) === 0
      let result: ReturnType<typeof model.restore> | undefined
      try {
        result = model.restore(file, { strict })
      } catch (e) {
        if (!(e instanceof GradcError) || e.code !== 'file/invalid' || e.message.length > 600) throw e
        counts.refused++
      }
      if (result) {
        counts.taken++
        const { header, tensors } = read(file)
        for (const { name, dtype, shape } of model.manifest.states) {
          const wanted = result.taken.includes(name) ? tensors.get(name)! : read(saved).tensors.get(name)!
          if (result.taken.includes(name)) expect([header[name].dtype, header[name].shape]).toEqual([dtype.toUpperCase(), shape])
          expect(bytesOf(model.state[name])).toEqual(dtype === 'bool' ? wanted.map((b) => Math.min(b, 1)) : wanted)
        }
        expect([...result.taken, ...result.kept].sort()).toEqual(model.manifest.states.map((s) => s.name).sort())
        if (strict) expect([result.kept, result.left]).toEqual([[], []])
        model.restore(saved)
      } else if (i % 16 === 0) expectUnchanged()
      most = Math.max(most, process.memoryUsage().arrayBuffers)
    }
    expectUnchanged()
    expect(counts.refused).toBeGreaterThan(4000)
    expect(counts.taken).toBeGreaterThan(500)
    // What is not collected yet is a few kilobytes a file; one believed length would be more than all of it.
    expect(most - before).toBeLessThan(256 * 2 ** 20)
  }, 60_000)
})

/** The file with one to three changes: bits, bytes, words of the header, lengths, cuts, doubles. */
function mutated(file: Uint8Array, random: (n: number) => number, words: readonly string[]): Uint8Array {
  let bytes = file.slice()
  const header = (): number => Math.min(Number(new DataView(bytes.buffer).getBigUint64(0, true)), Math.max(bytes.length - 8, 0))
  for (let changes = 1 + random(3); changes > 0 && bytes.length >= 8; changes--) {
    const at = random(4) ? 8 + random(Math.max(header(), 1)) : random(bytes.length)
    const kind = random(8)
    if (kind === 0) bytes[at % bytes.length] ^= 1 << random(8)
    else if (kind === 1) bytes[at % bytes.length] = random(256)
    else if (kind === 2) bytes[header() + 8 + random(Math.max(bytes.length - header() - 8, 1))] = random(256)
    else if (kind === 3) new DataView(bytes.buffer).setBigUint64(0, BigInt(random(2) ? random(bytes.length * 2) : 2 ** random(63)), true)
    else if (kind === 4) bytes = random(2) ? bytes.slice(0, random(bytes.length + 1)) : Uint8Array.from([...bytes, ...new Uint8Array(random(16))])
    else {
      // Text for text, with the length of the header kept true: this goes past the first checks.
      const text = new TextDecoder('latin1').decode(bytes.subarray(8, 8 + header()))
      const tokens = text.match(/"(?:[^"\\]|\\.)*"|-?\d+|[[\]{},:]/g) ?? []
      const pick = random(Math.max(tokens.length, 1))
      if (kind === 5) tokens.splice(pick, 1, words[random(words.length)])
      else if (kind === 6) tokens.splice(pick, 1, tokens[random(tokens.length)] ?? '')
      else tokens.splice(pick, random(3), ...tokens.slice(pick, pick + random(8)))
      const written = Uint8Array.from(tokens.join(''), (c) => c.charCodeAt(0))
      const rest = bytes.subarray(8 + header())
      bytes = Uint8Array.from([...new Uint8Array(8), ...written, ...rest])
      new DataView(bytes.buffer).setBigUint64(0, BigInt(written.length), true)
    }
  }
  return bytes
}

describe("Python's safetensors", () => {
  const golden = JSON.parse(readFileSync(join(import.meta.dirname, '../golden/safetensors.json'), 'utf8')) as Record<'net' | 'every', string> & Record<'x' | 'y', number[]>
  const file = (name: 'net' | 'every'): Uint8Array => Uint8Array.from(atob(golden[name]), (c) => c.charCodeAt(0))
  const net = nn.sequential(nn.conv2d(2, 3, 3), nn.batchNorm2d(3), nn.relu, nn.flatten(), nn.linear(12, 4))
  const predict = fn({ x: f32(2, 2, 4, 4) }, ({ x }) => ({ y: net.evaluation(x) }))

  it.each(['wasm', 'js'] as const)('a state dict of PyTorch loads by name, and predicts the same: %s', async (target) => {
    const loaded = await compile({ predict }, { target, verify: true }).load()
    expect(() => loaded.restore(file('net'))).toThrow('tensor "1.num_batches_tracked" is I64 [] in the file, not in this program')
    const names = ['0.weight', '0.bias', '1.weight', '1.bias', '1.running_mean', '1.running_var', '4.weight', '4.bias']
    const { taken, kept, left, sameProgram } = loaded.restore(file('net'), { strict: false })
    expect([[...taken].sort(), kept, left, sameProgram]).toEqual([names.sort(), [], [{ name: '1.num_batches_tracked', type: 'I64 []' }], false])
    const { y } = loaded.predict({ x: Float32Array.from(golden.x) })
    const largest = Math.max(...golden.y.map(Math.abs))
    golden.y.forEach((value, i) => expect(Math.abs(y[i] - value)).toBeLessThanOrEqual(1e-5 * largest))
  })

  it('every type that it writes is read, and left', () => {
    const { taken, left } = model.restore(file('every'), { strict: false })
    expect(taken).toEqual(['scalar'])
    expect(left.length).toBe(14)
    expect(model.state.scalar[0]).toBe(2.5)
    model.restore(saved)
  })
})

describe('transfer learning', () => {
  it.each(['wasm', 'js'] as const)('another head on a trained body: %s', async (target) => {
    const make = (classes: number) => {
      const net = nn.model({ body: nn.linear(3, 4), head: nn.linear(4, classes) }, ({ body, head }, x) => head(nn.relu(body(x))))
      const train = fn({ x: f32(5, 3) }, ({ x }) => {
        const y = net(x)
        return { loss: mean(mul(y, y)) }
      }).minimize('loss', optim.adam({ lr: 0.1 }))
      return compile({ train }, { target, seed: classes })
    }
    const old = await make(10).load()
    old.train({ x: new Float32Array(15).fill(0.5) })
    const fresh = await make(2).load()
    const head = fresh.state['head.weight'].slice()
    const { taken, kept, left } = fresh.restore(old.save(), { strict: false })
    expect(taken).toEqual(expect.arrayContaining(['body.weight', 'body.bias']))
    expect(kept).toEqual(expect.arrayContaining(['head.weight', 'head.bias']))
    expect(left.map((t) => t.name)).toEqual(kept)
    expect(fresh.state['body.weight']).toEqual(old.state['body.weight'])
    expect(fresh.state['head.weight']).toEqual(head)
  })
})
