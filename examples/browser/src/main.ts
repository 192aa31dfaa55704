import { drawLosses } from './chart.ts'
import { SIDE } from './digits.ts'
import facts from './generated/facts.json'
import { bestOf } from './learner.ts'
import type { Facts, Progress, Reply, Request } from './messages.ts'
import { Pad } from './pad.ts'

/** A reading is said aloud when nothing has changed for so many milliseconds: not at every point of a stroke. */
const SAY_MS = 600

function find<T extends Element = HTMLElement>(id: string): T {
  const found = document.getElementById(id)
  if (!found) throw new Error(`the page has no #${id}`)
  return found as unknown as T
}

const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
const ask = (request: Request): void => worker.postMessage(request)

const now = {
  /** While it loads or learns, nothing else may be asked. */
  busy: true,
  /** One reading is under way; another one is wanted after it. */
  reading: false,
  again: false,
  /** What is on the pad was taught as this digit; -1: it was not. */
  taught: -1,
  examples: [] as readonly Uint8Array[],
  /** Timer of what is going to be said. */
  say: 0,
}

const answers = Array.from({ length: 10 }, (_, digit) => {
  const button = document.createElement('button')
  const label = document.createElement('span')
  label.textContent = String(digit)
  button.type = 'button'
  button.disabled = true
  button.append(label)
  button.addEventListener('click', () => teach(digit))
  return button
})
find('answers').append(...answers)

const seen = find<HTMLCanvasElement>('seen').getContext('2d')

/** The digit on the pad as the network gets it, which is shown beside its answer. */
function digit(): Uint8Array {
  const pixels = pad.digit()
  showSeen(pixels)
  return pixels
}

function showSeen(pixels: Uint8Array | null): void {
  if (!seen) return
  seen.clearRect(0, 0, SIDE, SIDE)
  seen.fillStyle = getComputedStyle(seen.canvas).color
  pixels?.forEach((ink, i) => {
    seen.globalAlpha = ink / 255
    seen.fillRect(i % SIDE, Math.floor(i / SIDE), 1, 1)
  })
}

const pad = new Pad(find<HTMLCanvasElement>('pad'), {
  begin() {
    // What was taught is done with: the next stroke begins a new drawing.
    if (now.taught >= 0) clear()
  },
  change() {
    now.taught = -1
    enable()
    read()
  },
  say,
})

function say(text: string): void {
  clearTimeout(now.say)
  find('status').textContent = text
}

function read(): void {
  if (now.busy || pad.empty) return
  now.again = now.reading
  if (now.reading) return
  now.reading = true
  ask({ kind: 'read', pixels: digit() })
}

function teach(label: number): void {
  if (now.busy || pad.empty) return
  now.busy = true
  now.taught = label
  enable()
  say(`Learning that this is a ${label}.`)
  ask({ kind: 'learn', pixels: digit(), label })
}

function clear(): void {
  pad.clear()
  now.taught = -1
  showSeen(null)
  showReading(null)
  enable()
  // The button that was used may be disabled now, and focus would be lost.
  find('pad').focus({ preventScroll: true })
}

/** Buttons work when they can do something. Focus is not lost: while it learns, they are only marked as disabled. */
function enable(): void {
  const idle = !now.busy && !pad.empty
  answers.forEach((button, digit) => {
    button.disabled = pad.empty
    button.setAttribute('aria-disabled', String(!idle))
    button.classList.toggle('taught', digit === now.taught)
  })
  find<HTMLButtonElement>('clear').disabled = pad.empty
  find<HTMLButtonElement>('example').disabled = !now.examples.length
}

function showReading(p: Float32Array | null): void {
  const best = p ? bestOf(p) : -1
  find('digit').textContent = p ? String(best) : '–'
  find('sure').textContent = p ? percent(p[best]) : ''
  answers.forEach((button, digit) => {
    button.style.setProperty('--p', String(p ? p[digit] : 0))
    button.classList.toggle('best', digit === best)
    button.setAttribute('aria-label', p ? `${digit}, ${percent(p[digit])}` : String(digit))
  })
}

function showProgress({ losses, marks, corrections, learnt, others }: Progress): void {
  drawLosses(find<SVGElement>('chart'), losses, marks)
  find('steps').textContent = String(losses.length)
  find('corrections').textContent = String(corrections)
  find('learnt').textContent = corrections ? `${learnt} of ${corrections}` : '–'
  find('others').textContent = percent(others)
  find<HTMLButtonElement>('forget').disabled = corrections === 0
}

function showFacts({ target, memory }: Facts): void {
  find('memory-total').textContent = kilobytes(memory.bytes)
  for (const [part, bytes] of [
    ['state', memory.stateBytes],
    ['constants', memory.constantBytes],
    ['arena', memory.arenaBytes],
  ] as const) {
    find(`memory-${part}`).textContent = kilobytes(bytes)
    find('memory-bar')
      .querySelector<HTMLElement>(`.${part}`)
      ?.style.setProperty('--share', String(bytes / memory.bytes))
  }
  find('module').textContent = kilobytes(facts.moduleBytes[target])
  const host = target === 'wasm' ? 'WebAssembly' : 'JavaScript'
  find('host').textContent =
    `784 – 128 – 10, reads ${percent(facts.testAccuracy)} of MNIST's test digits. Compiled by gradc, runs in ${host}.`
}

const percent = (share: number): string => `${(100 * share).toFixed(share > 0.995 && share < 1 ? 1 : 0)} %`
const kilobytes = (bytes: number): string =>
  `${(bytes / 1000).toLocaleString('en', { maximumFractionDigits: bytes < 100_000 ? 1 : 0 })} kB`

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => showSeen(pad.empty ? null : pad.digit()))

worker.onmessage = ({ data: reply }: MessageEvent<Reply>) => {
  if (reply.kind === 'ready') {
    now.busy = false
    now.examples = reply.examples
    showFacts(reply.facts)
    showProgress(reply.progress)
    const { corrections } = reply.progress
    say(
      reply.returned
        ? `Welcome back: it remembers your ${corrections} correction${corrections === 1 ? '' : 's'}.`
        : 'Ready. Draw a digit.',
    )
    document.documentElement.dataset.ready = reply.facts.target
    read()
  } else if (reply.kind === 'reading') {
    now.reading = false
    if (now.again) read()
    if (pad.empty || now.taught >= 0) return
    showReading(reply.p)
    const best = bestOf(reply.p)
    clearTimeout(now.say)
    now.say = window.setTimeout(() => say(`It reads ${best}, ${percent(reply.p[best])} sure.`), SAY_MS)
  } else if (reply.kind === 'step') {
    if (now.taught >= 0) showReading(reply.p)
    drawLosses(find<SVGElement>('chart'), reply.losses, reply.marks)
    find('steps').textContent = String(reply.losses.length)
  } else if (reply.kind === 'learnt') {
    now.busy = false
    showProgress(reply.progress)
    // The drawing may have changed meanwhile.
    if (now.taught < 0) read()
    else showReading(reply.p)
    const kept = reply.saved ? '' : ' It could not be saved: it is forgotten when you leave.'
    say(`Learnt in ${reply.steps} steps: it reads ${bestOf(reply.p)} now, ${percent(reply.p[bestOf(reply.p)])} sure.${kept}`)
    document.documentElement.dataset.learnt = String(reply.progress.corrections)
  } else if (reply.kind === 'forgotten') {
    now.busy = false
    showProgress(reply.progress)
    say('All that you taught is forgotten.')
    read()
  } else {
    now.busy = now.reading = false
    say(`Something went wrong: ${reply.problem}`)
    document.documentElement.dataset.failed = reply.problem
  }
  enable()
}
worker.onerror = (event) => say(`The network could not be started: ${event.message || 'its script was not loaded'}`)

find('clear').addEventListener('click', clear)
find('example').addEventListener('click', () => {
  now.taught = -1
  pad.show(now.examples[Math.floor(now.examples.length * Math.random())])
  enable()
  read()
})

const dialog = find<HTMLDialogElement>('sure-forget')
find('forget').addEventListener('click', () => dialog.showModal())
find('forget-no').addEventListener('click', () => dialog.close())
find('forget-yes').addEventListener('click', () => {
  dialog.close()
  if (now.busy) return
  now.busy = true
  now.taught = -1
  ask({ kind: 'forget' })
  find('pad').focus()
})

document.addEventListener('keydown', (event) => {
  if (dialog.open || event.ctrlKey || event.metaKey || event.altKey) return
  if (/^\d$/.test(event.key)) teach(Number(event.key))
  else if (event.key === 'Delete' || event.key === 'Backspace') clear()
})

drawLosses(find<SVGElement>('chart'), [], [])
ask({ kind: 'start', target: new URLSearchParams(location.search).get('target') === 'js' ? 'js' : 'wasm' })
