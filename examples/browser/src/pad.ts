import { AREA, SIDE } from './digits.ts'

/** A point of the pad: 0 to 1 from the left and from the top. */
interface Point {
  readonly x: number
  readonly y: number
}

/** Width of the pen, as a share of the pad. */
const PEN = 0.07
/** MNIST fits its digits into a box of 20 pixels; its lines are about so wide there. */
const BOX = 20
const LINE = 2.3
/** What is drawn smaller than this share of the pad is not blown up further: a dot stays a dot. */
const SMALLEST = 0.15
/** A key moves the pen by one pixel of the digit. */
const KEY_STEP = 1 / SIDE
const ARROWS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
}

/** What the pad tells. */
export interface PadEvents {
  /** Before the first point of a stroke: the moment to clear what is done with. */
  begin(): void
  /** The drawing has changed; `finished` is true between strokes. */
  change(finished: boolean): void
  /** What happened by keyboard, for those who cannot see it. */
  say(text: string): void
}

/** A canvas to draw a digit on with a pointer or the keyboard, or to show one. */
export class Pad {
  readonly #canvas: HTMLCanvasElement
  readonly #events: PadEvents
  #strokes: Point[][] = []
  #shown: Uint8Array | null = null
  /** Where the pen is that keys move. */
  #pen: Point = { x: 0.5, y: 0.25 }
  #penDown = false
  #pointer: number | null = null

  constructor(canvas: HTMLCanvasElement, events: PadEvents) {
    this.#canvas = canvas
    this.#events = events
    canvas.addEventListener('pointerdown', (event) => this.#down(event))
    canvas.addEventListener('pointermove', (event) => this.#move(event))
    for (const kind of ['pointerup', 'pointercancel'] as const) canvas.addEventListener(kind, (event) => this.#up(event))
    canvas.addEventListener('keydown', (event) => this.#key(event))
    for (const kind of ['focus', 'blur'] as const) canvas.addEventListener(kind, () => this.#focus())
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#paint())
    this.#paint()
  }

  get empty(): boolean {
    return !this.#strokes.length && !this.#shown
  }

  clear(): void {
    this.#strokes = []
    this.#shown = null
    this.#penDown = false
    this.#paint()
  }

  /** Shows a digit of 784 pixels. */
  show(pixels: Uint8Array): void {
    this.clear()
    this.#shown = pixels
    this.#paint()
  }

  /** The digit as MNIST would have it: fitted into a box of 20 pixels, its ink centred in 28. */
  digit(): Uint8Array {
    if (this.#shown) return this.#shown.slice()
    const points = this.#strokes.flat()
    const [left, right] = [Math.min(...points.map((p) => p.x)), Math.max(...points.map((p) => p.x))]
    const [top, bottom] = [Math.min(...points.map((p) => p.y)), Math.max(...points.map((p) => p.y))]
    const scale = (BOX - LINE) / Math.max(right - left, bottom - top, SMALLEST)
    const [dx, dy] = [SIDE / 2 - (scale * (left + right)) / 2, SIDE / 2 - (scale * (top + bottom)) / 2]
    const first = this.#drawn(scale, dx, dy)
    let [mass, x, y] = [0, 0, 0]
    first.forEach((ink, i) => {
      mass += ink
      x += ink * ((i % SIDE) + 0.5)
      y += ink * (Math.floor(i / SIDE) + 0.5)
    })
    return mass ? this.#drawn(scale, dx + SIDE / 2 - x / mass, dy + SIDE / 2 - y / mass) : first
  }

  #drawn(scale: number, dx: number, dy: number): Uint8Array {
    const context = contextOf(new OffscreenCanvas(SIDE, SIDE), { willReadFrequently: true })
    context.setTransform(scale, 0, 0, scale, dx, dy)
    this.#line(context, LINE / scale)
    const { data: rgba } = context.getImageData(0, 0, SIDE, SIDE)
    return Uint8Array.from({ length: AREA }, (_, i) => rgba[4 * i + 3])
  }

  #line(context: CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D, width: number): void {
    context.lineWidth = width
    context.lineCap = context.lineJoin = 'round'
    for (const stroke of this.#strokes) {
      context.beginPath()
      context.moveTo(stroke[0].x, stroke[0].y)
      for (const { x, y } of stroke) context.lineTo(x, y)
      context.stroke()
    }
  }

  #paint(): void {
    const { width } = this.#canvas
    const context = contextOf(this.#canvas)
    context.setTransform(1, 0, 0, 1, 0, 0)
    context.clearRect(0, 0, width, width)
    context.strokeStyle = context.fillStyle = getComputedStyle(this.#canvas).color
    context.setTransform(width, 0, 0, width, 0, 0)
    if (this.#shown) {
      this.#shown.forEach((ink, i) => {
        context.globalAlpha = ink / 255
        context.fillRect((i % SIDE) / SIDE, Math.floor(i / SIDE) / SIDE, 1 / SIDE, 1 / SIDE)
      })
      context.globalAlpha = 1
    }
    this.#line(context, PEN)
    if (document.activeElement === this.#canvas && this.#canvas.matches(':focus-visible')) this.#crosshair(context)
  }

  #crosshair(context: CanvasRenderingContext2D): void {
    const { x, y } = this.#pen
    context.lineWidth = 0.006
    context.beginPath()
    context.arc(x, y, PEN / (this.#penDown ? 2 : 1.4), 0, 2 * Math.PI)
    context.moveTo(x - PEN, y)
    context.lineTo(x + PEN, y)
    context.moveTo(x, y - PEN)
    context.lineTo(x, y + PEN)
    context.stroke()
  }

  #focus(): void {
    this.#penDown = false
    this.#paint()
  }

  #begin(at: Point): void {
    this.#events.begin()
    // A stroke over a shown digit begins a drawing of one's own.
    this.#shown = null
    this.#strokes.push([at])
    this.#changed(false)
  }

  #changed(finished: boolean): void {
    this.#paint()
    this.#events.change(finished)
  }

  #at(event: PointerEvent): Point {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect()
    return { x: (event.clientX - left) / width, y: (event.clientY - top) / height }
  }

  #down(event: PointerEvent): void {
    if (this.#pointer !== null || event.button !== 0) return
    this.#pointer = event.pointerId
    this.#canvas.setPointerCapture(event.pointerId)
    this.#begin(this.#at(event))
  }

  #move(event: PointerEvent): void {
    if (event.pointerId !== this.#pointer) return
    const events = event.getCoalescedEvents?.() ?? []
    for (const one of events.length ? events : [event]) this.#strokes.at(-1)?.push(this.#at(one))
    this.#changed(false)
  }

  #up(event: PointerEvent): void {
    if (event.pointerId !== this.#pointer) return
    this.#pointer = null
    this.#changed(true)
  }

  #key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const arrow = ARROWS[event.key]
    if (arrow) {
      const inside = (v: number): number => Math.min(1 - PEN / 2, Math.max(PEN / 2, v))
      this.#pen = { x: inside(this.#pen.x + arrow[0] * KEY_STEP), y: inside(this.#pen.y + arrow[1] * KEY_STEP) }
      if (this.#penDown) this.#strokes.at(-1)?.push(this.#pen)
      if (this.#penDown) this.#changed(false)
      else this.#paint()
    } else if (event.key === ' ') {
      this.#penDown = !this.#penDown
      if (this.#penDown) this.#begin(this.#pen)
      else this.#changed(true)
      const [column, row] = [this.#pen.x, this.#pen.y].map((v) => Math.round(100 * v))
      this.#events.say(`Pen ${this.#penDown ? 'down' : 'up'}, ${column} percent from the left, ${row} from the top.`)
    } else return
    event.preventDefault()
  }
}

function contextOf(canvas: HTMLCanvasElement): CanvasRenderingContext2D
function contextOf(canvas: OffscreenCanvas, options: CanvasRenderingContext2DSettings): OffscreenCanvasRenderingContext2D
function contextOf(canvas: HTMLCanvasElement | OffscreenCanvas, options?: CanvasRenderingContext2DSettings): unknown {
  const context = canvas.getContext('2d', options)
  if (!context) throw new Error('this browser does not draw')
  return context
}
