import type { LoweredProgram } from '../codegen/nest.ts'
import type { Graph } from '../ir/graph.ts'
import type { Manifest } from '../ir/manifest.ts'
import type { Plan } from '../ir/plan.ts'
import type { PassTiming } from '../passes/runner.ts'
import type { CompileOptions } from './compile.ts'
import type { Declared } from './fn.ts'

/** Functions by name. */
export type Functions = { readonly [name: string]: Declared }
/** Functions by name, where a list under one name is one function for several lengths of input. */
export type FunctionLists = { readonly [name: string]: Declared | readonly Declared[] }
/** What is called: functions of one name differ in extents only, which types do not tell. */
export type Called<F extends FunctionLists> = {
  readonly [K in keyof F]: F[K] extends readonly (infer D extends Declared)[] ? D : F[K] extends Declared ? F[K] : never
}

/** What the compiler has made. */
export interface Compiled {
  /** What was compiled, and how. */
  readonly functions: FunctionLists
  readonly options: CompileOptions
  readonly manifest: Manifest
  readonly code: { readonly bytes: Uint8Array<ArrayBuffer>; readonly imports: readonly string[] } | { readonly js: string }
  /** WebAssembly may take relaxed multiply-adds when it is loaded. */
  readonly relaxed: boolean
  readonly constants: readonly { readonly offset: number; readonly bytes: Uint8Array }[]
  readonly plans: readonly Plan[]
  readonly lowered: LoweredProgram
  /** The functions as declared, before any pass, in the manifest's order. */
  readonly declared: readonly Graph[]
  readonly timings: readonly PassTiming[]
  readonly compileMs: number
  /** The same functions, compiled otherwise. */
  readonly again: (change: Pick<CompileOptions, 'target' | 'threads'>) => Compiled
}
