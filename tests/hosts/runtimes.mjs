// Other hosts of JavaScript, from npm packages that carry their binaries.
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { resultIn, run } from './child.mjs'
import { mainIn } from './node.mjs'
import { Skipped } from './skipped.mjs'

/** The binary of an optional package. @throws Skipped if it is not there or does not run on this machine */
async function binaryOf(name) {
  const path = fileURLToPath(new URL(`node_modules/.bin/${name}`, import.meta.url))
  if (!existsSync(path)) throw new Skipped('not installed: npm i --prefix tests/hosts')
  await run(path, ['--version']).catch((error) => {
    throw new Skipped(`its binary does not run here: ${error.message.split('\n')[0]}`)
  })
  return path
}

// Deno may read its own folder and nothing else: no network, no environment, no other files.
const deno = async (folder, form) =>
  resultIn(
    await run(await binaryOf('deno'), [
      'run',
      '--no-prompt',
      '--no-config',
      '--no-remote',
      `--allow-read=${join(folder, form)}`,
      await mainIn(folder, form),
    ]),
  )

const bun = async (folder, form) => resultIn(await run(await binaryOf('bun'), [await mainIn(folder, form)]))

const WORKER = `import * as net from './net.js'
import { tenSteps } from './training.mjs'
export default { async test() { console.log(await tenSteps(net)) } }
`

/** A module worker as Cloudflare runs it: modules by name, WebAssembly compiled beforehand, no way to compile more. */
async function workerd(folder, form) {
  const binary = await binaryOf('workerd')
  const beside = (file) => join(folder, form, file)
  const wasm = existsSync(beside('net.wasm')) ? '(name = "net.wasm", wasm = embed "net.wasm"),' : ''
  await writeFile(beside('worker.js'), WORKER)
  await writeFile(
    beside('worker.capnp'),
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [(name = "main", worker = .main)]);
const main :Workerd.Worker = (
  compatibilityDate = "2026-11-01",
  modules = [
    (name = "worker.js", esModule = embed "worker.js"),
    (name = "net.js", esModule = embed "net.js"),
    (name = "training.mjs", esModule = embed "training.mjs"),
    ${wasm}
  ],
);
`,
  )
  return resultIn(await run(binary, ['test', beside('worker.capnp')]))
}

/** Host name -> its run in a folder of {@link writeForms}. */
export const hosts = {
  'workerd, module': (folder) => workerd(folder, 'module'),
  'workerd, js': (folder) => workerd(folder, 'js'),
  'deno, inline': (folder) => deno(folder, 'inline'),
  'deno, url': (folder) => deno(folder, 'url'),
  'deno, two threads': (folder) => deno(folder, 'threads'),
  'deno, js': (folder) => deno(folder, 'js'),
  'bun, inline': (folder) => bun(folder, 'inline'),
  'bun, url': (folder) => bun(folder, 'url'),
  'bun, two threads': (folder) => bun(folder, 'threads'),
  'bun, js': (folder) => bun(folder, 'js'),
}
