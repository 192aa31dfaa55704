import { gzipSync } from 'node:zlib'
import type { Program } from '../../src/index.ts'

/** What a run has come to; the last line of every run is this as JSON. */
export interface Results {
  /** Bits per character of the validation text, before the first step and after the last. */
  readonly validationBitsBefore: number
  readonly validationBits: number
  readonly epochs: number
  /** Steps made, and characters that they have learned from. */
  readonly steps: number
  readonly characters: number
  /** Characters of the alphabet. */
  readonly alphabet: number
  /** Median wall time of a training step, in milliseconds. */
  readonly msPerStep: number
  /** Bytes of the arena: everything a step needs beside weights and optimiser state. */
  readonly arenaBytes: number
  /** Bytes of the emitted ES module, as it is and under gzip -9. */
  readonly moduleBytes: number
  readonly moduleGzipBytes: number
  /** Milliseconds to declare and compile all functions. */
  readonly compileMs: number
}

/** What a run has measured itself. */
export interface Run extends Omit<Results, 'steps' | 'msPerStep' | 'arenaBytes' | 'moduleBytes' | 'moduleGzipBytes'> {
  /** Milliseconds of every step. */
  readonly times: readonly number[]
  readonly program: Pick<Program, 'memory' | 'emit'>
}

/** The results of a run. */
export function resultsOf({ times, program, compileMs, ...run }: Run): Results {
  const module = Buffer.from(program.emit().js)
  return {
    validationBitsBefore: Number(run.validationBitsBefore.toFixed(4)),
    validationBits: Number(run.validationBits.toFixed(4)),
    epochs: run.epochs,
    steps: times.length,
    characters: run.characters,
    alphabet: run.alphabet,
    msPerStep: rounded(times.toSorted((a, b) => a - b)[times.length >> 1]),
    arenaBytes: program.memory.arenaBytes,
    moduleBytes: module.length,
    moduleGzipBytes: gzipSync(module, { level: 9 }).length,
    compileMs: rounded(compileMs),
  }
}

/** The results for people, below what the net has written. */
export function summaryOf(results: Results, sample: string, target: string): string {
  const count = (n: number): string => n.toLocaleString('en')
  const [before, after] = [results.validationBitsBefore, results.validationBits].map((b) => b.toFixed(3))
  const steps = `${count(results.steps)} steps of ${results.msPerStep.toFixed(3)} ms (median)`
  const lines = [
    ['validation', `${after} bits per character, before training ${before}`],
    ['training', `${steps}, ${count(results.characters)} characters`],
    ['arena', `${count(results.arenaBytes)} bytes`],
    ['module', `${count(results.moduleBytes)} bytes of ${target}, ${count(results.moduleGzipBytes)} under gzip -9`],
    ['compiled in', `${results.compileMs.toFixed(0)} ms`],
  ]
  return `\n${sample}\n\n${lines.map(([what, value]) => `${what.padEnd(15)}${value}\n`).join('')}\n`
}

/** Bits of a loss in nats. */
export const bits = (nats: number): number => nats / Math.LN2

/** Milliseconds to the microsecond. */
const rounded = (ms: number): number => Number(ms.toFixed(3))
