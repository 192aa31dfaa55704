import { relax } from './relax.ts'

/** Functions of the host that emitted code may import: what WebAssembly has no instruction for, in doubles. */
const HOST: Readonly<Record<string, (x: number, y: number) => number>> = {
  exp: Math.exp, expm1: Math.expm1, log: Math.log, log1p: Math.log1p, sin: Math.sin, cos: Math.cos, tanh: Math.tanh,
  pow: Math.pow, atan2: Math.atan2, rem: (x, y) => x % y,
}

/** The JavaScript text of each host function, for modules that stand alone. */
export const hostText = (name: string): string => (Object.hasOwn(Math, name) ? `Math.${name}` : String(HOST[name]))

/** Host functions by name. */
export const hostOf = (names: readonly string[]): Record<string, (x: number, y: number) => number> =>
  Object.fromEntries(names.map((n) => [n, HOST[n]]))

/** Instantiates emitted WebAssembly; entries are its exports f0, f1, ... */
export async function instantiate(
  wasm: Uint8Array<ArrayBuffer>,
  imports: readonly string[],
  relaxed = false,
): Promise<{ memory: ArrayBuffer; entries: (() => void)[] }> {
  const { instance } = await WebAssembly.instantiate(relaxed ? relax(wasm) : wasm, { m: hostOf(imports) })
  const entries: (() => void)[] = []
  for (let i = 0; `f${i}` in instance.exports; i++) entries.push(instance.exports[`f${i}`] as () => void)
  return { memory: (instance.exports.memory as WebAssembly.Memory).buffer, entries }
}
