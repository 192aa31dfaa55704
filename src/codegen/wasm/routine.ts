import { InternalError } from '../../ir/errors.ts'
import { Expressions, inOrder, type Expr } from '../../ir/expression.ts'
import type { Routine } from '../../ir/scalar.ts'
import { Func, type Local } from './encoder/assembler.ts'
import { actsAt } from './lanes.ts'
import { applyScalar, castScalar, constant, valueType, type Place } from './scalars.ts'

/** A routine as a function from f32 to f32: what is used more than once is kept in a local, all else stays on the stack. */
export function routineFunc({ name, formula }: Routine): Func {
  const f = new Func(name, ['f32'], ['f32'], 'for arguments that are rare')
  const { body: code, params } = f
  const place: Place = {
    code,
    local: (type) => ({ type }),
    host: (host) => {
      throw new InternalError('wasm emitter', `${name} calls ${host}`)
    },
  }
  const expressions = new Expressions()
  const root = formula(expressions.arith, expressions.core('f32'))
  const uses = new Map<Expr, number>()
  for (const a of inOrder([root]).flatMap((e) => e.args)) uses.set(a, (uses.get(a) ?? 0) + 1)
  const locals = new Map<Expr, Local>()
  const push = (e: Expr): void => {
    const known = e.kind === 'core' ? params[0] : locals.get(e)
    if (known) return void code.get(known)
    if (e.kind === 'lit') return constant(code, e.value, e.dtype)
    if (e.kind !== 'scalar' || e.op === 'bitcast') throw new InternalError('wasm emitter', `${name} holds a ${e.kind}`)
    const args = e.args.map((a) => () => push(a))
    if (e.op === 'cast') castScalar(code, e.args[0].dtype, e.dtype, args[0])
    else applyScalar(place, e.op, actsAt(e), args)
    if (uses.get(e)! > 1) {
      const local: Local = { type: valueType(e.dtype) }
      code.tee(local)
      locals.set(e, local)
    }
  }
  push(root)
  return f
}

/** The routine in each of four lanes. */
export function laneRoutineFunc(one: Func): Func {
  const f = new Func(`${one.name}x4`, ['v128'], ['v128'], `${one.name} in four lanes`)
  const [x] = f.params
  const lane = (l: number): void => void f.body.get(x).lane('f32x4.extract_lane', l).call(one)
  lane(0)
  f.body.op('f32x4.splat')
  for (const l of [1, 2, 3]) {
    lane(l)
    f.body.lane('f32x4.replace_lane', l)
  }
  return f
}
