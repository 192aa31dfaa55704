import { explanation } from '../../api/explain.ts'
import type { Command } from '../command.ts'
import { openModel } from '../model-file.ts'

/** `gradc explain`: kernels with operations and bytes. */
export const explain: Command = {
  usage: 'explain MODEL',
  summary: 'tells kernels with operations, bytes and time of compilation',
  help: '  --json           the same as JSON',
  options: { json: { type: 'boolean' } },
  run: async (call) => {
    const program = await openModel(call)
    call.stdout.write(call.options.json ? `${JSON.stringify(explanation(program.compiled))}\n` : program.explain())
    return 0
  },
}
