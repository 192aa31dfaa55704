#!/usr/bin/env node
import { run } from './cli/run.ts'

const { stdout, stderr } = process
let code: number | null = null

// `gradc print model.js | head` closes the pipe while we write: nothing went wrong.
stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 70))

// A model file that waits for what never comes, or that ends the process, would end in silence and success.
process.once('exit', () => {
  if (code !== null) return
  stderr.write('gradc: the model file ended the process, or waits for something that never comes\n')
  process.exitCode = 1
})

void run({ args: process.argv.slice(2), env: process.env, cwd: process.cwd(), stdout, stderr }).then((result) => {
  code = result
  process.exitCode = result
  // A timer or server of the model file must not keep the command alive; all that was written is out first.
  stdout.write('', () => stderr.write('', () => process.exit(result)))
})
