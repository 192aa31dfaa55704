// Trains and saves without end, until it is killed: node kill-child.mjs FILES_JS MODULE_JS PATH
import { writeSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

const [files, module, path] = process.argv.slice(2)
const { saveFile, loadFile } = await import(pathToFileURL(files).href)
const { load } = await import(pathToFileURL(module).href)
const model = await load()
await loadFile(model, path)
for (;;) {
  model.train({ x: 1 })
  // Written at once, and before the save begins.
  writeSync(1, '.')
  await saveFile(model, path)
}
