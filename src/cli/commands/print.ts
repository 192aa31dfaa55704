import { emitJs } from '../../codegen/js/emit.ts'
import { wasmText } from '../../codegen/wasm/emit.ts'
import type { Program } from '../../api/program.ts'
import { print as printGraph } from '../../ir/print.ts'
import { optimise } from '../../passes/pipeline.ts'
import type { Command } from '../command.ts'
import { Failure } from '../failure.ts'
import { chosen } from '../functions.ts'
import { loopsText } from '../loops-text.ts'
import { openModel } from '../model-file.ts'
import { planText } from '../plan-text.ts'
import { checkPass, PASSES } from '../settings.ts'

/** What --emit may name: text of the functions at these positions. */
const FORMS: Readonly<Record<string, (program: Program, functions: readonly number[]) => string>> = {
  graph: ({ compiled }, functions) => functions.map((i) => printGraph(compiled.plans[i].graph)).join('\n'),
  plan: ({ compiled }, functions) => functions.map((i) => planText(compiled.plans[i])).join('\n'),
  loops: ({ compiled }, functions) =>
    functions.map((i) => lowered(compiled, i)).map((f) => loopsText(f.name, f.kernels)).join('\n'),
  js: ({ compiled }, functions) => `${emitJs(only(compiled, functions))}\n`,
  wat: ({ compiled }, functions) => wasmText(only(compiled, functions), { segments: compiled.constants, threads: compiled.options.threads }),
}

// The first one makes the first values; functions of the user come after it.
const lowered = ({ lowered: { functions } }: Program['compiled'], i: number): (typeof functions)[number] => functions[i + 1]

const only = (compiled: Program['compiled'], functions: readonly number[]): Program['compiled']['lowered'] =>
  functions.length === compiled.declared.length
    ? compiled.lowered
    : { ...compiled.lowered, functions: functions.map((i) => lowered(compiled, i)) }

/** `gradc print`: a program as text, at any stage. */
export const print: Command = {
  usage: 'print MODEL',
  summary: 'shows graphs, plans, loops or code',
  help: `  --emit FORM      graph (default): operations; plan: kernels, and where their buffers lie; loops: what kernels do;
                   js, wat: emitted code, of either target
  --after PASS     the graph after a pass instead of after all: declared, ${PASSES.join(', ')}, or * for each
  --function NAME  one function only; predict[1] is the second of several lengths`,
  options: { emit: { type: 'string' }, after: { type: 'string' }, function: { type: 'string' } },
  run: async (call) => {
    const { options, stdout } = call
    const { emit = 'graph', after } = options as Record<string, string | undefined>
    if (!Object.hasOwn(FORMS, emit)) {
      throw new Failure(`--emit is ${JSON.stringify(emit)}`, `forms are ${Object.keys(FORMS).join(', ')}`)
    }
    if (after !== undefined) {
      if (emit !== 'graph') {
        throw new Failure(`--after shows graphs, --emit ${emit} comes after all passes`, 'leave one of them out')
      }
      if (after !== 'declared') checkPass(after, '--after')
    }
    const program = await openModel(call)
    const functions = chosen(program, options.function)
    stdout.write(after === undefined ? FORMS[emit](program, functions) : graphsAfter(program, functions, after))
    return 0
  },
}

function graphsAfter({ compiled }: Program, functions: readonly number[], pass: string): string {
  return functions.map((i) => {
    const graph = compiled.declared[i]
    if (pass === 'declared') return printGraph(graph)
    const texts: string[] = []
    optimise(graph, { fastMath: compiled.options.fastMath, printAfter: pass, log: (text) => texts.push(text) })
    return texts.join('\n')
  }).join('\n')
}
