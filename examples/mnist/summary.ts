/** What a run has come to; `--json` prints it as it is. */
export interface Results {
  /** Share of the test images that were read right, 0 to 1. */
  readonly testAccuracy: number
  readonly epochs: number
  /** Median wall time of a training step, in milliseconds. */
  readonly msPerStep: number
  /** Bytes of the arena: everything a step needs beside weights and optimiser state. */
  readonly arenaBytes: number
  /** Bytes of the emitted ES module, as it is and under gzip -9. */
  readonly moduleBytes: number
  readonly moduleGzipBytes: number
  /** Milliseconds to declare and compile both functions. */
  readonly compileMs: number
}

/** The results for people. */
export function summaryOf(results: Results, { target, out, tested }: { target: string; out: string; tested: number }): string {
  const count = (n: number): string => n.toLocaleString('en')
  const trained = results.epochs === 1 ? 'one epoch' : `${results.epochs} epochs`
  const lines = [
    ['test accuracy', `${(100 * results.testAccuracy).toFixed(2)} % of ${count(tested)} images, after ${trained}`],
    ['training step', `${results.msPerStep.toFixed(3)} ms (median)`],
    ['arena', `${count(results.arenaBytes)} bytes`],
    ['module', `${count(results.moduleBytes)} bytes of ${target}, ${count(results.moduleGzipBytes)} under gzip -9`],
    ['compiled in', `${results.compileMs.toFixed(0)} ms`],
    ['weights', out],
  ]
  return `\n${lines.map(([what, value]) => `${what.padEnd(15)}${value}\n`).join('')}`
}
