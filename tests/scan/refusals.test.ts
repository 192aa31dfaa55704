// What scan, cond and custom refuse, with which code, what the message says, and where the way on is.
import { describe, expect, it } from 'vitest'
import {
  add, cast, cond, custom, f32, fn, grad, greater, GradcError, hvp, i32, jvp, mul, reshape, scan, sum, type Scalar, type StateDecl, type Tensor,
} from '../../src/index.ts'

type In = { x: Tensor<'f32'>; y: Tensor<'f32'>; h: Tensor<'f32'>; n: Tensor<'i32'>; s: Scalar<'f32'>; flag: Scalar<'bool'> }

function errorOf(body: (t: In) => unknown): GradcError {
  try {
    fn({ x: f32(4, 3), y: f32(5, 3), h: f32(3), n: i32(3), s: f32() }, (t) => {
      const flag = greater(t.s, 0)
      body({ ...t, flag } as In)
      return {}
    })
  } catch (e) {
    if (e instanceof GradcError) return e
    throw e
  }
  throw new Error('nothing was refused')
}

const any = (value: unknown): any => value
const still = ({ h }: any): any => ({ carry: { h } })
const ZERO: StateDecl = { name: 'm', dtype: 'f32', shape: [3], init: (b, type) => b.zeros(type), trainable: false, owner: {} }
const state = (t: In): Tensor<'f32'> => t.h.builder.state(ZERO) as Tensor<'f32'>

const REFUSED: readonly (readonly [string, (t: In) => unknown, string, RegExp])[] = [
  ['a carry that changes its shape', ({ x, h }) => scan({ h }, { x }, ({ h }) => ({ carry: { h: any(reshape(h, [3, 1])) } })),
    'shape/mismatch', /"h" begins as f32\[3\] and is f32\[3, 1\]/],
  ['a carry that changes its dtype', ({ x, h }) => scan({ h }, { x }, ({ h }) => ({ carry: { h: any(cast(h, 'i32')) } })),
    'dtype/mismatch', /begins as f32\[3\] and is i32\[3\]/],
  ['lengths that differ', ({ x, y, h }) => scan({ h }, { x, y }, still), 'shape/mismatch', /different numbers of steps/],
  ['scanning a scalar', ({ h, s }) => scan({ h }, { s }, still), 'shape/invalid', /"s" is a scalar/],
  ['an option that there is not', ({ x, h }) => scan({ h }, { x }, still, any({ revers: true })), 'option/invalid', /"revers"/],
  ['options that are none', ({ x, h }) => scan({ h }, { x }, still, any(null)), 'option/invalid', /null/],
  ['reverse that is no boolean', ({ x, h }) => scan({ h }, { x }, still, any({ reverse: 'yes' })), 'option/invalid', /reverse/],
  ['a length that is not that of the slices', ({ x, h }) => scan({ h }, { x }, still, { length: 5 }),
    'option/invalid', /5 is no number of steps for 4 slices/],
  ['no length at all', ({ h }) => scan({ h }, {}, still), 'option/invalid', /no number of steps/],
  ['a fraction of a step', ({ h }) => scan({ h }, {}, still, { length: 2.5 }), 'option/invalid', /2.5/],
  ['less than no step', ({ h }) => scan({ h }, {}, still, { length: -1 }), 'option/invalid', /-1/],
  ['a length that is a string', ({ h }) => scan({ h }, {}, still, any({ length: '3' })), 'option/invalid', /"3"/],
  ['a checkpoint of its own', ({ x, h }) => scan({ h }, { x }, still, any({ checkpoint: 'some' })), 'option/invalid', /"some"/],
  ['no slots', ({ x, h }) => scan({ h }, { x }, still, { checkpoint: { slots: 0 } }), 'option/invalid', /checkpoint cannot be/],
  ['a slot too many', ({ x, h }) => scan({ h }, { x }, still, any({ checkpoint: { slots: 2, keep: 1 } })),
    'option/invalid', /keep/],
  ['a checkpoint of null', ({ x, h }) => scan({ h }, { x }, still, any({ checkpoint: null })), 'option/invalid', /null/],
  ['neither a carry nor slices', () => scan({}, {}, any(() => ({}))), 'option/invalid', /neither/],
  ['a list of carries', ({ x, h }) => scan(any([h]), { x }, still), 'option/invalid', /an array/],
  ['a tensor for slices', ({ x, h }) => scan({ h }, any(x), still), 'option/invalid', /a tensor/],
  ['a number as a carry', ({ x }) => scan(any({ h: 0 }), { x }, still), 'operand/invalid', /0/],
  ['a body that is no function', ({ x, h }) => scan({ h }, { x }, any(3)), 'option/invalid', /body/],
  ['a step that gives nothing', ({ x, h }) => scan({ h }, { x }, any(() => undefined)), 'result/invalid', /undefined/],
  ['a step that gives a tensor', ({ x, h }) => scan({ h }, { x }, any(({ h }: any) => h)), 'result/invalid', /a tensor/],
  ['a step that waits', ({ x, h }) => scan({ h }, { x }, any(async ({ h }: any) => ({ carry: { h } }))),
    'result/invalid', /a step gave/],
  ['a carry that is forgotten', ({ x, h }) => scan({ h }, { x }, any(() => ({ carry: {} }))), 'result/invalid', /no next "h"/],
  ['a carry from nowhere', ({ x, h }) => scan({ h }, { x }, any(({ h }: any) => ({ carry: { h, g: h } }))),
    'result/invalid', /"g" has no first value/],
  ['an output that is a number', ({ x, h }) => scan({ h }, { x }, any(({ h }: any) => ({ carry: { h }, out: { y: 1 } }))),
    'operand/invalid', /1/],
  ['a state that is updated inside', (t) => scan({ h: t.h }, { x: t.x }, ({ h }, { x }) => {
    t.h.builder.update(state(t), add(h, x))
    return { carry: { h } }
  }), 'build/foreign', /state "m" gets its new value inside the body/],
  ['cond by a float', ({ s, h }) => cond(any(s), () => h, () => h), 'dtype/mismatch', /bool scalar/],
  ['cond by many conditions', ({ h }) => cond(any(greater(h, 0)), () => h, () => h), 'dtype/mismatch', /bool scalar/],
  ['branches of two shapes', ({ flag, h, x }) => cond(flag, () => h, () => x), 'shape/mismatch', /cond/],
  ['branches of two dtypes', ({ flag, h, n }) => cond<any>(flag, () => h, () => any(n)), 'dtype/mismatch', /cond/],
  ['a branch that is no function', ({ flag, h }) => cond(flag, any(h), () => h), 'option/invalid', /cond/],
  ['custom of nothing', () => custom([], () => any(null), () => []), 'operand/invalid', /list of arguments/],
  ['custom of a tensor', ({ h }) => custom(any(h), any((x: any) => x), any(() => [])), 'operand/invalid', /a tensor/],
  ['a forward that gives no tensor', ({ h }) => custom([h], () => any(1), () => [null]), 'operand/invalid', /forward/],
  ['a forward that is no function', ({ h }) => custom([h], any(h), () => [null]), 'option/invalid', /forward/],
  ['an adjoint that is no function', ({ h }) => custom([h], ([h]) => h, any(null)), 'option/invalid', /adjoint/],
  ['an adjoint of another shape', ({ h }) => custom([h], ([h]) => h, (_, __, ct) => [sum(ct)]),
    'shape/mismatch', /must be f32\[3\], not f32\[\]/],
  ['an adjoint of another dtype', ({ h }) => custom([h], ([h]) => h, (_, __, ct) => [cast(ct, 'f64')]),
    'dtype/mismatch', /not f64\[3\]/],
  ['too few cotangents', ({ h, s }) => custom([h, s], ([h, s]) => mul(h, s), (_, __, ct) => [ct]),
    'result/invalid', /1 cotangent for 2 arguments/],
  ['a cotangent alone', ({ h }) => custom([h], ([h]) => h, any((_: any, __: any, ct: any) => ct)), 'result/invalid', /a tensor/],
  ['a cotangent that is a number', ({ h }) => custom([h], ([h]) => h, any(() => [0])), 'result/invalid', /0 for argument 0/],
  ['a cotangent of an integer', ({ h, n }) => custom([h, n], ([h]) => h, any((_: any, __: any, ct: any) => [ct, ct])),
    'dtype/mismatch', /i32 and has no cotangent/],
  ['a forward that reads something else', ({ h, s }) => custom([h], ([h]) => mul(h, s), (_, __, ct) => [ct]),
    'operand/invalid', /none of its arguments/],
  ['forward mode of custom', ({ h }) => jvp([custom([h], ([h]) => mul(h, h), (_, __, ct) => [ct])], [h], [h]),
    'grad/forward', /only its adjoint/],
  ['forward mode of custom in a loop', ({ x, h }) => {
    const product = (h: Tensor, x: Tensor): any => custom([h, x], ([h, x]) => mul(h, x), (_, __, ct) => [ct, ct])
    const { carry } = scan({ h }, { x }, ({ h }, { x }) => ({ carry: { h: product(h, x) } }))
    return jvp([carry.h], [h], [h])
  }, 'grad/forward', /only its adjoint/],
  ['a Hessian product past a custom value', ({ h }) => {
    const y = custom([h], ([h]) => mul(h, h), (_, __, ct) => [ct])
    return hvp(sum(mul(y, y)), [h], [h])
  }, 'grad/forward', /only its adjoint/],
  ['a gradient through the integers of a loop', ({ x, h }) => {
    const { carry } = scan({ n: cast(h, 'i32') }, { x }, ({ n }) => ({ carry: { n: add(n, 1) } }))
    return grad(sum(cast(carry.n, 'f32')), h)
  }, 'grad/dtype', /only through cast/],
]

describe('is refused', () => {
  it.each(REFUSED)('%s', (_, body, code, problem) => {
    const error = errorOf(body)
    expect([error.code, error.problem]).toEqual([code, expect.stringMatching(problem)])
    expect(error.hint ?? error.message).toMatch(/\w{3}/)
  })
})

describe('a value of a body is refused outside of it', () => {
  const stray = (body: (t: In, keep: (x: Tensor) => void) => Tensor | void): GradcError => {
    let kept: Tensor | null = null
    try {
      fn({ x: f32(4, 3), h: f32(3) }, (t) => {
        const y = body(t as unknown as In, (x) => void (kept = x))
        return { y: y ?? kept! }
      })
    } catch (e) {
      if (e instanceof GradcError) return e
      throw e
    }
    throw new Error('nothing was refused')
  }
  const loop = ({ x, h }: In, keep: (x: Tensor) => void, what: 'h' | 'x' | 'sum' | 'step'): void =>
    void scan({ h }, { x }, ({ h }, { x }, step) => {
      keep({ h, x, sum: add(h, x), step }[what])
      return { carry: { h: add(h, x) } }
    })

  it.each(['h', 'x', 'sum', 'step'] as const)('%s as a result', (what) => {
    const error = stray((t, keep) => loop(t, keep, what))
    expect([error.code, error.problem]).toEqual(['build/foreign', 'a value of the body of a scan is used outside of it'])
    expect(error.hint).toMatch(/out: \{ y \}/)
    expect(error.message).not.toContain('\u0000')
  })

  it('in another loop, as a gradient and as a new state', () => {
    const inLoop = stray((t) => {
      let kept = t.h
      loop(t, (x) => void (kept = x as Tensor<'f32'>), 'sum')
      return scan({ h: t.h }, { x: t.x }, ({ h }) => ({ carry: { h: mul(h, kept) } })).carry.h
    })
    const inGradient = stray((t) => {
      let kept = t.h
      loop(t, (x) => void (kept = x as Tensor<'f32'>), 'h')
      return grad(sum(mul(t.h, kept)), t.h)
    })
    const inState = stray((t) => {
      let kept = t.h
      loop(t, (x) => void (kept = x as Tensor<'f32'>), 'h')
      t.h.builder.update(state(t), kept)
      return t.h
    })
    expect([inLoop, inGradient, inState].map((e) => e.code)).toEqual(['build/foreign', 'build/foreign', 'build/foreign'])
  })

  it('an adjoint, too', () => {
    const error = stray(({ h }, keep) => void custom([h], ([h]) => h, ([x], _, ct) => {
      keep(mul(x, ct))
      return [ct]
    }))
    expect(error.code).toBe('build/foreign')
    expect(error.problem).toBe('a value of the adjoint of a custom value is used outside of it')
  })
})
