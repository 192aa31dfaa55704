import type { Random } from '../mnist/batches.ts'

/** Points of some tasks: `x` and `y` are [tasks, points, 1], row-major. */
export interface Points {
  readonly x: Float32Array<ArrayBuffer>
  readonly y: Float32Array<ArrayBuffer>
}

/** What a net may learn a task from, and what it is then tested on. */
export interface Tasks {
  readonly support: Points
  readonly query: Points
}

const LARGEST = { amplitude: 5, phase: Math.PI, x: 5 } as const
const LEAST_AMPLITUDE = 0.1

/**
 * Draws sine waves y = a·sin(x − φ), with a in [0.1, 5) and φ in [0, π), and of each the given number of points twice, x in
 * [−5, 5): one set to learn from, one to test on. (Finn, Abbeel, Levine, "Model-agnostic meta-learning", ICML 2017, 5.1.)
 */
export function drawTasks(random: Random, tasks: number, points: number): Tasks {
  const empty = (): Points => ({ x: new Float32Array(tasks * points), y: new Float32Array(tasks * points) })
  const drawn: Tasks = { support: empty(), query: empty() }
  for (let task = 0; task < tasks; task++) {
    const amplitude = LEAST_AMPLITUDE + (LARGEST.amplitude - LEAST_AMPLITUDE) * random()
    const phase = LARGEST.phase * random()
    for (const { x, y } of [drawn.support, drawn.query]) {
      for (let i = task * points; i < (task + 1) * points; i++) {
        x[i] = LARGEST.x * (2 * random() - 1)
        y[i] = amplitude * Math.sin(x[i] - phase)
      }
    }
  }
  return drawn
}
