// Node itself: plainly, with code from strings forbidden, and in a worker thread.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { resultIn, run } from './child.mjs'

const mainOf = (steps) => `import * as net from './net.js'
import { ${steps} } from './training.mjs'
console.log(await ${steps}(net))
`
const MAIN = mainOf('tenSteps')

/** Text of a program that trains the module beside it and prints the result. */
export const mainIn = async (folder, form, steps = 'tenSteps') => {
  const path = join(folder, form, 'main.mjs')
  await writeFile(path, mainOf(steps))
  return path
}

const node = async (folder, form, flags = []) => resultIn(await run(process.execPath, [...flags, await mainIn(folder, form)]))

async function workerThread(folder, form) {
  const path = join(folder, form, 'thread.mjs')
  await writeFile(path, MAIN.replace('console.log(', "import { parentPort } from 'node:worker_threads'\nparentPort.postMessage("))
  const worker = new Worker(path)
  return new Promise((resolve, reject) => {
    worker
      .once('message', resolve)
      .once('error', reject)
      .once('exit', (code) => reject(new Error(`the thread ended with ${code}`)))
  })
}

/** Host name -> its run in a folder of {@link writeForms}. */
export const hosts = {
  'node, inline': (folder) => node(folder, 'inline'),
  'node, url': (folder) => node(folder, 'url'),
  'node, js': (folder) => node(folder, 'js'),
  'node without code from strings, inline': (folder) => node(folder, 'inline', ['--disallow-code-generation-from-strings']),
  'node without code from strings, js': (folder) => node(folder, 'js', ['--disallow-code-generation-from-strings']),
  'node worker thread, inline': (folder) => workerThread(folder, 'inline'),
  'node, two threads': (folder) => node(folder, 'threads'),
  'node, two threads of a worker': async (folder) => resultIn(await run(process.execPath, [await mainIn(folder, 'threads', 'tenStepsSpawned')])),
  'node worker thread, url': (folder) => workerThread(folder, 'url'),
}
