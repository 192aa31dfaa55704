import type { Affine } from '../../ir/affine.ts'
import { inOrder, type Expr, type Expressions } from '../../ir/expression.ts'
import type { Node } from '../../ir/graph.ts'
import { DTYPES, type DType } from '../../ir/types.ts'
import type { Bases } from './bases.ts'
import type { Block } from './block.ts'
import { STEM, type Names } from './names.ts'
import type { Shared } from './prelude.ts'
import { atom, literal, open, operandText, scalarText, type Piece } from './scalar.ts'

/** Marks, in a set of axes, that a value depends on the fold's result. */
const CORE = 1 << 30

/** Operations whose result is rounded to f32 whatever their operands are. */
const ROUNDING = new Set<string>(['add', 'sub', 'mul', 'div'])

/** Longer texts get a name of their own. */
const LONGEST_INLINE = 72

/** What a scope writes for. */
export interface ScopeOf {
  readonly expressions: Expressions
  readonly address: (node: Node) => number
  readonly bases: Bases
  readonly shared: Shared
  readonly names: Names
  /** Does every index fit an i32? */
  readonly small: boolean
  /** Names of the loop variables, outermost first. */
  readonly axes: readonly string[]
  /** How many of them have a value where the fold's result is read. */
  readonly coreAxes: number
  /** All that will be asked for, so that what is used twice gets a name. */
  readonly roots: readonly Expr[]
  readonly root: Block
  /** So many axes have a value from the start: they are parameters, */
  readonly bound?: number
  /** or, where this has a number, stand still there. */
  readonly fixed?: readonly (number | null)[]
}

/**
 * Writes values into nested blocks: block d is where the first d axes have values. Every value is computed in the
 * outermost block that knows its axes, once, and gets a local when more than one reader or an inner loop wants it.
 */
export class Scope {
  readonly #of: ScopeOf
  readonly #blocks: Block[]
  readonly #uses = new Map<Expr, number>()
  readonly #masks = new Map<Expr, number>()
  /** Axes that stand still, at these positions. */
  readonly #fixed: (number | null)[]
  /** Added to each axis: which element of a tile is being written. */
  delta: readonly number[]
  /** The fold's result at this delta. */
  core = ''
  /** Is it a double that is still to be rounded? */
  coreRounds = false
  /** Does a tile share values between its elements? Then every load gets a name, and each of these. */
  tiled = false
  shared: readonly Expr[] = []

  constructor(of: ScopeOf) {
    this.#of = of
    this.#blocks = [of.root, ...Array.from({ length: of.bound ?? 0 }, () => of.root)]
    this.#fixed = of.axes.map((_, i) => of.fixed?.[i] ?? null)
    this.delta = of.axes.map(() => 0)
    for (const r of of.roots) this.#uses.set(r, (this.#uses.get(r) ?? 0) + 1)
    for (const e of inOrder(of.roots)) for (const a of e.args) this.#uses.set(a, (this.#uses.get(a) ?? 0) + 1)
  }

  get block(): Block {
    return this.#blocks[this.#blocks.length - 1]
  }

  /** Opens a loop of the next axis over from, from + step, ... below `to`. */
  loop(from: number, to: number, step = 1): void {
    const i = this.#of.axes[this.#blocks.length - 1]
    this.#blocks.push(this.block.open(`for (let ${i} = ${from}; ${i} < ${to}; ${step === 1 ? `${i}++` : `${i} += ${step}`})`))
  }

  /** Lets the next axis stand at a position: no loop. */
  stand(at: number): void {
    this.#fixed[this.#blocks.length - 1] = at
    this.#blocks.push(this.block.open(null))
  }

  /** Ends what `loop` or `stand` has begun. */
  close(): void {
    this.#blocks.pop()
    this.#fixed[this.#blocks.length - 1] = null
    this.block.close()
  }

  /** The axes that a value depends on, as bits. */
  mask(e: Expr): number {
    let mask = this.#masks.get(e)
    if (mask === undefined) {
      mask = e.kind === 'core' ? CORE | ((1 << this.#of.coreAxes) - 1) : 0
      if ('index' in e) e.index.coefficients.forEach((c, i) => (mask! |= c ? 1 << i : 0))
      for (const a of e.args) mask |= this.mask(a)
      this.#masks.set(e, mask)
    }
    return mask
  }

  dependsOnCore(e: Expr): boolean {
    return (this.mask(e) & CORE) !== 0
  }

  isInvariant(e: Expr): boolean {
    return this.mask(e) === 0
  }

  uses(e: Expr): number {
    return this.#uses.get(e) ?? 0
  }

  /** The outermost block that knows these axes. */
  #home(mask: number): Block {
    return this.#blocks[32 - Math.clz32(mask & ~CORE)]
  }

  /** What tells the instances of a value apart within a tile. */
  #key(e: Expr, mask: number): string {
    let key = `e${this.#of.expressions.id(e)}`
    this.delta.forEach((d, i) => {
      if (d && mask & (1 << i)) key += `,${i}:${d}`
    })
    return key
  }

  /** Makes a value known under a name: a parameter. */
  bind(e: Expr, name: string): void {
    this.#of.root.bind(this.#key(e, this.mask(e)), name)
  }

  /** Text of a value, to be an operand. */
  text(e: Expr): string {
    const p = this.piece(e)
    if (p.rounds) this.#of.shared.need('fround')
    return operandText(p)
  }

  /** Text of a value, or the name of the local that it has been given. */
  piece(e: Expr): Piece {
    if (e.kind === 'lit') return literal(e.value, e.dtype)
    if (e.kind === 'core') return { ...atom(this.core), rounds: this.coreRounds }
    const mask = this.mask(e)
    const home = this.#home(mask)
    const key = this.#key(e, mask)
    const known = home.local(key)
    if (known !== undefined) return atom(known)
    const made = this.#make(e)
    const leaf = e.kind === 'load' || e.kind === 'gather'
    if (this.uses(e) > 1 || home !== this.block || made.text.length > LONGEST_INLINE || (this.tiled && (leaf || this.shared.includes(e)))) {
      return this.#declare(home, key, e, made)
    }
    return made
  }

  /** The name of a local that holds the value; for literals and the fold's result themselves. */
  named(e: Expr): string {
    const p = this.piece(e)
    if (e.kind === 'lit' || e.kind === 'core' || this.#home(this.mask(e)).local(this.#key(e, this.mask(e)))) return operandText(p)
    return this.#declare(this.#home(this.mask(e)), this.#key(e, this.mask(e)), e, p).text
  }

  /** Text of a finished value, rounded. */
  valueOf(p: Piece): string {
    if (!p.rounds) return p.text
    this.#of.shared.need('fround')
    return `fround(${p.text})`
  }

  /** Gives a text a name in the innermost block. */
  keep(text: string): string {
    const name = this.#of.names.fresh('v')
    this.block.add(`const ${name} = ${text}`)
    return name
  }

  #declare(home: Block, key: string, e: Expr, p: Piece): Piece {
    const name = this.#of.names.fresh(e.kind === 'scalar' ? e.op : STEM[e.kind])
    return atom(home.declare(key, name, this.valueOf(p)))
  }

  #make(e: Expr): Piece {
    const { shared } = this.#of
    switch (e.kind) {
      case 'load':
        return this.#read(e.node, this.element(e.index, this.#of.address(e.node), e.dtype))
      case 'gather': {
        const index = this.element(e.index, this.#of.address(e.node), e.dtype)
        return this.#read(e.node, `${index} + ${this.offset(e.args[0], e.stride, e.limit)}`)
      }
      case 'position':
        return this.#position(e.index, e.dtype)
      case 'random':
        shared.need('philox')
        return atom(`philox(${[...e.args.map((a) => this.text(a)), this.affine(e.index)].join(', ')})`)
      case 'rarely': {
        const [condition, usual, x] = e.args.map((a) => this.text(a))
        return open(`${condition} ? ${shared.routine(e.routine)}(${x}) : ${usual}`)
      }
      case 'scalar': {
        // Arithmetic on a sum in doubles rounds its own result: rounding the sum first would be once too often.
        const operand = (a: Expr): string => (a.kind === 'core' && ROUNDING.has(e.op) ? this.core : this.text(a))
        return scalarText(e, e.args.map(operand), shared)
      }
      default:
        return literal(0, e.dtype)
    }
  }

  #read(node: Node, index: string): Piece {
    const text = `${this.#of.shared.view(node.dtype)}[${index}]`
    return node.dtype === 'bool' ? open(`${text} !== 0`) : atom(text)
  }

  /** `clamp(at, 0, limit − 1) · stride`, as a term of an index. */
  offset(at: Expr, stride: number, limit: number): string {
    const clamped = `Math.max(0, Math.min(${limit - 1}, ${this.text(at)}))`
    return stride === 1 ? clamped : `${clamped} * ${stride}`
  }

  /** Text of an element index, from the byte address of element 0. */
  element(form: Affine, address: number, dtype: DType): string {
    const base = this.#of.bases.nameOf(address, dtype)
    return this.affine(form, base === null ? address / DTYPES[dtype].bytes : 0, base)
  }

  /** Text of `form + more`, and of `base` with it. */
  affine(form: Affine, more = 0, base: string | null = null): string {
    let constant = form.offset + more
    const moving = form.coefficients.map((c, i) => {
      constant += c * ((this.#fixed[i] ?? 0) + this.delta[i])
      return this.#fixed[i] === null ? c : 0
    })
    const sum = this.#prefix(moving, base)
    if (sum === null) return String(constant)
    if (constant === 0) return sum
    return constant < 0 ? `${sum} - ${-constant}` : `${sum} + ${constant}`
  }

  /** base + Σ coefficient · axis as a name, shared between accesses and computed as far outside as it can be; null for 0. */
  #prefix(moving: readonly number[], base: string | null): string | null {
    let last = moving.length - 1
    while (last >= 0 && moving[last] === 0) last--
    if (last < 0) return base
    const axis = this.#of.axes[last]
    const c = moving[last]
    const outer = this.#prefix(moving.slice(0, last), base)
    if (outer === null && c === 1) return axis
    const home = this.#blocks[last + 1]
    const key = `p${base ?? ''},${moving.slice(0, last + 1).join()}`
    const known = home.local(key)
    if (known !== undefined) return known
    // Never −c · 0: that is −0, which an index must not be.
    const term = Math.abs(c) === 1 ? axis : `${axis} * ${Math.abs(c)}`
    const text = outer === null ? (c > 0 ? term : `0 - ${term}`) : `${outer} ${c > 0 ? '+' : '-'} ${term}`
    // The engine knows the range of a loop's variable but not of a parameter: what says that nothing overflows saves it the checks.
    const checked = this.#of.small && (this.#of.bound || base !== null)
    return home.declare(key, this.#of.names.fresh('p'), checked ? `${text} | 0` : text)
  }

  #position(form: Affine, dtype: DType): Piece {
    const text = this.affine(form)
    if (dtype === 'f32') return { ...open(text), rounds: true }
    if (dtype === 'bool') return open(`(${text}) !== 0`)
    return open(dtype === 'u32' ? `(${text}) >>> 0` : text)
  }
}
