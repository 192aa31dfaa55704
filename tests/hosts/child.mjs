// Starts a program and waits for it.
import { spawn } from 'node:child_process'

/** Longest that a host may take, in milliseconds: a hang is a failure. */
const PATIENCE = 60_000

/** The first lines of a text, without those that show bundled code. */
const brief = (text) =>
  text
    .split('\n')
    .filter((line) => line.trim() && line.length < 300)
    .slice(0, 20)
    .join('\n')

/** What the program writes, out and err together. @throws Error with all of it if the program fails, is missing or hangs */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      ...options,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: PATIENCE,
      killSignal: 'SIGKILL',
    })
    let [out, err] = ['', '']
    child.stdout.on('data', (text) => (out += text))
    child.stderr.on('data', (text) => (err += text))
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (code === 0) resolve(out + err)
      else reject(new Error(`${command} ended with ${signal ?? code}: ${brief(err + out)}`))
    })
  })
}

/** The line of {@link tenSteps} in what a host has written. @throws Error if there is none */
export function resultIn(text) {
  const line = text.split('\n').find((l) => l.includes('{"losses":'))
  if (!line) throw new Error(`no losses in: ${brief(text)}`)
  return line.slice(line.indexOf('{"losses":'), line.lastIndexOf('}') + 1)
}
