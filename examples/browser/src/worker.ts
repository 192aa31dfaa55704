// The model lives here, so that the page stays quick while it learns.
import { readRecords } from './digits.ts'
import weightsAddress from './generated/digits.safetensors?url'
import othersAddress from './generated/others.bin?url'
import replayAddress from './generated/replay.bin?url'
import type { Model } from './generated/wasm/digits.js'
import { Learner } from './learner.ts'
import type { Facts, Progress, Reply, Request, Target } from './messages.ts'
import { find, forget, keep } from './store.ts'

/** The page hears of learning this often, in milliseconds. */
const TELL_MS = 60

const tell = (reply: Reply): void => (self as unknown as { postMessage(reply: Reply): void }).postMessage(reply)
const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** The program in WebAssembly; in JavaScript if that is asked for, or if the page's policy allows nothing else. */
async function loadModel(target: Target): Promise<{ model: Model; target: Target }> {
  if (target === 'wasm') {
    try {
      const { load } = await import('./generated/wasm/digits.js')
      return { model: await load(), target }
    } catch (error) {
      console.info(`WebAssembly is not to be had here (${reasonOf(error)}): JavaScript instead`)
    }
  }
  const { load } = await import('./generated/js/digits.js')
  return { model: await load(), target: 'js' }
}

async function bytesOf(address: string): Promise<ArrayBuffer> {
  const found = await fetch(address)
  if (!found.ok) throw new Error(`${address}: ${found.status}`)
  return found.arrayBuffer()
}

/** The model and all that it has learnt. */
class Session {
  readonly #learner: Learner
  readonly #first: Uint8Array
  readonly facts: Facts
  #losses: number[] = []
  #marks: number[] = []

  private constructor(learner: Learner, first: Uint8Array, target: Target) {
    this.#learner = learner
    this.#first = first
    this.facts = { target, memory: learner.model.manifest.memory }
  }

  static async start(wanted: Target): Promise<{ session: Session; returned: boolean; examples: Uint8Array[] }> {
    const [{ model, target }, weights, replay, others] = await Promise.all([
      loadModel(wanted),
      bytesOf(weightsAddress),
      bytesOf(replayAddress).then(readRecords),
      bytesOf(othersAddress).then(readRecords),
    ])
    const first = new Uint8Array(weights)
    model.restore(first)
    const session = new Session(new Learner(model, replay, others), first, target)
    return { session, returned: await session.#return(), examples: others.map(({ pixels }) => pixels) }
  }

  /** Takes up what an earlier visit has learnt. Without it, or if it is of another program, learning starts anew. */
  async #return(): Promise<boolean> {
    try {
      const found = await find()
      if (!found) return false
      this.#learner.model.restore(found.weights)
      this.#learner.corrections.push(...found.corrections)
      this.#losses = found.losses
      this.#marks = found.marks
      return true
    } catch (error) {
      console.warn(`what was learnt before cannot be used: ${reasonOf(error)}`)
      return false
    }
  }

  progress(): Progress {
    const { corrections } = this.#learner
    return {
      losses: this.#losses,
      marks: this.#marks,
      corrections: corrections.length,
      learnt: this.#learner.readsCorrections(),
      others: this.#learner.readsOthers(),
    }
  }

  read(pixels: Uint8Array): Float32Array {
    return this.#learner.read(pixels)
  }

  async learn(pixels: Uint8Array, label: number): Promise<void> {
    const before = this.#losses.length
    this.#marks.push(before)
    let told = performance.now()
    for (const loss of this.#learner.learn({ pixels, label })) {
      this.#losses.push(loss)
      if (performance.now() - told < TELL_MS) continue
      tell({ kind: 'step', losses: this.#losses, marks: this.#marks, p: this.read(pixels) })
      told = performance.now()
    }
    const { corrections, model } = this.#learner
    const saved = await keep({ weights: model.save(), corrections, losses: this.#losses, marks: this.#marks }).then(
      () => true,
      () => false,
    )
    tell({ kind: 'learnt', progress: this.progress(), p: this.read(pixels), saved, steps: this.#losses.length - before })
  }

  async forget(): Promise<void> {
    this.#learner.model.restore(this.#first)
    this.#learner.corrections.length = 0
    this.#losses = []
    this.#marks = []
    await forget()
    tell({ kind: 'forgotten', progress: this.progress() })
  }
}

let session: Session | undefined

async function answer(request: Request): Promise<void> {
  if (request.kind === 'start') {
    const started = await Session.start(request.target)
    session = started.session
    tell({
      kind: 'ready',
      facts: session.facts,
      progress: session.progress(),
      returned: started.returned,
      examples: started.examples,
    })
  } else if (!session) throw new Error('the model is not there yet')
  else if (request.kind === 'read') tell({ kind: 'reading', p: session.read(request.pixels) })
  else if (request.kind === 'learn') await session.learn(request.pixels, request.label)
  else await session.forget()
}

// One after the other: a request that waits for the disk must not be overtaken.
let last: Promise<void> = Promise.resolve()
self.onmessage = ({ data: request }: MessageEvent<Request>) => {
  last = last.then(() => answer(request)).catch((error: unknown) => tell({ kind: 'failed', problem: reasonOf(error) }))
}
