import type { Compiled } from '../api/compiled.ts'
import { emitJs } from '../codegen/js/emit.ts'
import { wasmText } from '../codegen/wasm/emit.ts'
import { print } from '../ir/print.ts'
import { optimise } from '../passes/pipeline.ts'
import type { PassTiming } from '../passes/runner.ts'
import { planText } from './plan-text.ts'
import type { Call } from './command.ts'
import { columns } from './terminal.ts'

/**
 * What GRADC_DEBUG, GRADC_PRINT_AFTER and GRADC_VERIFY ask for, to stderr. The model file has compiled its program already,
 * without knowing of them; its functions go through the passes again here. Throws an InternalError if a pass breaks a promise.
 */
export function debug(compiled: Compiled, { settings, stderr }: Call): void {
  const { debug: level, printAfter, verify } = settings
  if (!level && !printAfter && !verify) return
  const say = (title: string, text: string): void => void stderr.write(`# ${title}\n${text.endsWith('\n') ? text : `${text}\n`}`)
  const timings: PassTiming[] = []
  const fired = new Map<string, number>()
  for (const graph of compiled.declared) {
    if (level >= 3) say('declared', print(graph))
    const log = (text: string): void => void stderr.write(text)
    const after = optimise(graph, {
      fastMath: compiled.options.fastMath, verify, fired, timings, ...(printAfter !== null && { printAfter, log }),
    })
    if (level >= 3) say('after all passes', print(after))
  }
  if (level >= 1) {
    const rows = timings.map((t) => [t.pass, `${t.milliseconds.toFixed(2)} ms`, `${t.before} → ${t.after} nodes`])
    const names = compiled.declared.map((g) => g.name).join(', ')
    say(`passes of ${names}; compiled in ${compiled.compileMs.toFixed(1)} ms`, columns(rows, [1]))
  }
  if (level >= 2) for (const plan of compiled.plans) say('memory plan', planText(plan))
  if (level >= 4) {
    const { code, lowered, constants, options } = compiled
    say('emitted code', 'bytes' in code ? wasmText(lowered, { segments: constants, threads: options.threads }) : emitJs(lowered))
  }
  if (level >= 5) say('rules fired', columns([...fired].sort((a, b) => b[1] - a[1]).map(([rule, n]) => [rule, String(n)]), [1]))
}
