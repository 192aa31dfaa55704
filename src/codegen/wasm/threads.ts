import { Func, type Code, type Global, type Local } from './encoder/assembler.ts'

/** One loop of which the threads divide the iterations: where it stands on its axis, and how far each iteration goes. */
export interface Share {
  readonly start: number
  readonly count: number
  readonly step: number
}

/** Words of the control block, each group in a cache line of its own. Behind a word that is waited for: how many sleep on it. */
const ARRIVED = 0
const PASSED = 64
const COMMANDS = 128
const COMMAND = 192
const LOST = 196
export const CONTROL_BYTES = 256
const SLEEPERS = 4

/** Looks at a word before a thread goes to sleep on it: some ten microseconds, about what it takes to be woken. */
const SPINS = 20_000
/** A thread that waits for another looks once in this time (ns) whether that is lost, and gives up after so many times. */
const SLICE = 1_000_000_000n
const PATIENCE = 60
const FOREVER = -1n

/**
 * What the code of a program for several threads shares: each thread is an instance of its own over one memory, runs every function
 * from its beginning to its end, takes its part of the loops that are shared, and meets the others at barriers between them.
 * Which part is fixed by the numbers alone, and each element is computed as by a single thread: the same bits for any number.
 */
export class Team {
  readonly thread: Global = { name: 'thread', type: 'i32' }
  readonly threads: Global = { name: 'threads', type: 'i32' }
  /** What is added to addresses of scratch memory. */
  readonly scratch: Global = { name: 'scratch', type: 'i32' }
  readonly globals: readonly Global[] = [this.thread, this.threads, this.scratch]
  readonly barrier: Func
  /** As many threads as there may be. */
  readonly most: number
  readonly #control: number
  readonly #bound: Func
  readonly #wait: Func
  readonly #signal: Func

  /** `control`: address of {@link CONTROL_BYTES} bytes that are 0 at first, a multiple of 64. */
  constructor(control: number, most: number) {
    this.most = most
    this.#control = control
    this.#bound = this.#boundFunc()
    this.#wait = this.#waitFunc()
    this.#signal = signalFunc()
    this.barrier = this.#barrierFunc()
  }

  /** Functions that others call. */
  get routines(): Func[] {
    return [this.#bound, this.#wait, this.#signal, this.barrier]
  }

  /** The first of `count` iterations that are this thread's, and how many are. One alone is the first thread's. */
  share(code: Code, count: number, first: Local, number: Local): void {
    if (count === 1) {
      code.i32(0).set(first).getGlobal(this.thread).op('i32.eqz').set(number)
      return
    }
    code.i32(count).i32(0).call(this.#bound).set(first)
    code.i32(count).i32(1).call(this.#bound).get(first).op('i32.sub').set(number)
  }

  /** `body` on the first thread only. */
  alone(code: Code, body: () => void): void {
    code.getGlobal(this.thread).op('i32.eqz').within('if', body)
  }

  /** `bound(count, more)`: count · (thread + more) / threads. */
  #boundFunc(): Func {
    const f = new Func('bound', ['i32', 'i32'], ['i32'], 'first iteration of a thread')
    const [count, more] = f.params
    f.body.getGlobal(this.thread).get(more).op('i32.add').get(count).op('i32.mul').getGlobal(this.threads).op('i32.div_u')
    return f
  }

  /** `wait(word, seen, slice)`: until the word is not `seen` any more; traps if another thread is lost, or seems to be. */
  #waitFunc(): Func {
    const f = new Func('wait', ['i32', 'i32', 'i64'], [], 'spins, then sleeps')
    const [word, seen, slice] = f.params
    const [spins, patience] = [0, 1].map((): Local => ({ type: 'i32' }))
    const { body: c } = f
    c.i32(SPINS).set(spins)
    c.within('loop', (again) => {
      c.get(word).atomic('i32.atomic.load', 0).get(seen).op('i32.ne').within('if', () => c.op('return'))
      c.get(spins).i32(1).op('i32.sub').tee(spins).brIf(again)
    })
    const sleepers = (by: number): void => {
      c.get(word).i32(by).atomic('i32.atomic.rmw.add', SLEEPERS).op('drop')
    }
    sleepers(1)
    c.i32(PATIENCE).set(patience)
    c.within('loop', (again) => {
      c.get(word).atomic('i32.atomic.load', 0).get(seen).op('i32.eq').within('if', () => {
        c.i32(0).atomic('i32.atomic.load', this.#control + LOST).within('if', () => c.op('unreachable'))
        // 2: nothing came in all that time.
        c.get(word).get(seen).get(slice).atomic('memory.atomic.wait32', 0).i32(2).op('i32.eq').within('if', () => {
          c.get(patience).i32(1).op('i32.sub').tee(patience).op('i32.eqz').within('if', () => c.op('unreachable'))
        })
        c.br(again)
      })
    })
    sleepers(-1)
    return f
  }

  #barrierFunc(): Func {
    const f = new Func('barrier', [], [], 'until all threads are here')
    const seen: Local = { type: 'i32' }
    const { body: c } = f
    c.getGlobal(this.threads).i32(1).op('i32.eq').within('if', () => c.op('return'))
    c.i32(0).atomic('i32.atomic.load', this.#control + PASSED).set(seen)
    c.i32(0).i32(1).atomic('i32.atomic.rmw.add', this.#control + ARRIVED)
    c.getGlobal(this.threads).i32(1).op('i32.sub').op('i32.eq').within('if', () => {
      c.i32(0).i32(0).atomic('i32.atomic.store', this.#control + ARRIVED).i32(this.#control + PASSED).call(this.#signal)
      c.op('else')
      c.i32(this.#control + PASSED).get(seen).i64(SLICE).call(this.#wait)
    })
    return f
  }

  /** The function that the host calls: wakes the others, which call `bodies[index]` too, then calls it itself. */
  starter(name: string, title: string, bodies: readonly Func[], index: number): Func {
    const f = new Func(name, [], [], title)
    f.body.getGlobal(this.threads).i32(1).op('i32.ne').within('if', () => this.#order(f.body, index + 1))
    f.body.call(bodies[index])
    return f
  }

  #order(c: Code, command: number): void {
    c.i32(0).i32(command).atomic('i32.atomic.store', this.#control + COMMAND).i32(this.#control + COMMANDS).call(this.#signal)
  }

  /**
   * What hosts call besides: `enter(thread, threads)` first of all in each instance; `work()` in all but the first, which
   * returns after `leave()` in the first; `lost()` where one has failed, so that the others do not wait for it.
   */
  exports(bodies: readonly Func[], scratchBytes: number): Func[] {
    return [this.#enterFunc(scratchBytes), this.#workFunc(bodies), this.#leaveFunc(), this.#lostFunc()]
  }

  #enterFunc(scratchBytes: number): Func {
    const f = new Func('enter', ['i32', 'i32'], [], 'who this instance is, of how many')
    const [thread, threads] = f.params
    f.body.get(thread).setGlobal(this.thread).get(threads).setGlobal(this.threads)
    f.body.get(thread).i32(scratchBytes).op('i32.mul').setGlobal(this.scratch)
    return f
  }

  #workFunc(bodies: readonly Func[]): Func {
    const f = new Func('work', [], [], 'runs what the first thread runs')
    const [seen, command] = [0, 1].map((): Local => ({ type: 'i32' }))
    const { body: c } = f
    c.within('loop', (again) => {
      c.i32(this.#control + COMMANDS).get(seen).i64(FOREVER).call(this.#wait)
      c.i32(0).atomic('i32.atomic.load', this.#control + COMMANDS).set(seen)
      c.i32(0).atomic('i32.atomic.load', this.#control + COMMAND).set(command)
      bodies.forEach((body, i) => {
        c.get(command).i32(i + 1).op('i32.eq').within('if', () => c.call(body))
      })
      c.get(command).brIf(again)
    })
    return f
  }

  #leaveFunc(): Func {
    const f = new Func('leave', [], [], 'ends the work of the others')
    this.#order(f.body, 0)
    return f
  }

  #lostFunc(): Func {
    const f = new Func('lost', [], [], 'a thread has failed')
    f.body.i32(0).i32(1).atomic('i32.atomic.store', this.#control + LOST)
    f.body.i32(this.#control + PASSED).i32(-1).atomic('memory.atomic.notify', 0).op('drop')
    return f
  }
}

/** `signal(word)`: changes the word and wakes who sleeps on it; nobody may have gone to sleep since. */
function signalFunc(): Func {
  const f = new Func('signal', ['i32'], [], 'wakes who waits for a word')
  const [word] = f.params
  const { body: c } = f
  c.get(word).i32(1).atomic('i32.atomic.rmw.add', 0).op('drop')
  c.get(word).atomic('i32.atomic.load', SLEEPERS).within('if', () => {
    c.get(word).i32(-1).atomic('memory.atomic.notify', 0).op('drop')
  })
  return f
}
