// Bundles of the module, made with each bundler's defaults for programs of one file, and run in Node.
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { resultIn, run } from './child.mjs'
import { mainIn } from './node.mjs'
import { Skipped } from './skipped.mjs'

/** A bundler that is not installed is skipped. */
const installed = (name) =>
  import(name).catch((error) => {
    throw error.code === 'ERR_MODULE_NOT_FOUND' ? new Skipped('not installed: npm i --prefix tests/hosts') : error
  })

async function esbuild(folder, form, options = {}) {
  const { build } = await installed('esbuild')
  const outfile = join(folder, form, 'esbuild', 'main.mjs')
  await build({
    entryPoints: [await mainIn(folder, form)],
    outfile,
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'neutral',
    target: 'es2022',
    logLevel: 'silent',
    ...options,
  })
  return outfile
}

async function rollup(folder, form) {
  const { rollup: bundle } = await installed('rollup')
  const file = join(folder, form, 'rollup', 'main.mjs')
  const made = await bundle({ input: await mainIn(folder, form) })
  await made.write({ file, format: 'es' })
  await made.close()
  return file
}

async function webpack(folder, form) {
  const { default: pack } = await installed('webpack')
  const path = join(folder, form, 'webpack')
  const compiler = pack({
    mode: 'production',
    target: 'node20',
    entry: await mainIn(folder, form),
    output: { path, filename: 'main.mjs', module: true, chunkFormat: 'module' },
    experiments: { outputModule: true },
  })
  const stats = await new Promise((resolve, reject) => compiler.run((error, done) => (error ? reject(error) : resolve(done))))
  await new Promise((resolve) => compiler.close(resolve))
  if (stats.hasErrors()) throw new Error(stats.toString({ all: false, errors: true }))
  return join(path, 'main.mjs')
}

const node = async (file) => resultIn(await run(process.execPath, [file]))

/** Bundlers that leave `new URL('./net.wasm', import.meta.url)` alone want the file copied, as an app does with its assets. */
const withWasm = async (folder, form, file) => {
  await cp(join(folder, form, 'net.wasm'), join(file, '../net.wasm'))
  return file
}

/** Host name -> its run in a folder of {@link writeForms}. */
export const hosts = {
  'esbuild, inline': async (folder) => node(await esbuild(folder, 'inline')),
  'esbuild, url': async (folder) => node(await withWasm(folder, 'url', await esbuild(folder, 'url'))),
  'esbuild, module as bytes': async (folder) => node(await esbuild(folder, 'module', { loader: { '.wasm': 'binary' } })),
  'esbuild, js': async (folder) => node(await esbuild(folder, 'js')),
  'webpack, inline': async (folder) => node(await webpack(folder, 'inline')),
  'webpack, url': async (folder) => node(await webpack(folder, 'url')),
  'webpack, js': async (folder) => node(await webpack(folder, 'js')),
  'rollup, inline': async (folder) => node(await rollup(folder, 'inline')),
  'rollup, url': async (folder) => node(await withWasm(folder, 'url', await rollup(folder, 'url'))),
  'rollup, js': async (folder) => node(await rollup(folder, 'js')),
}
