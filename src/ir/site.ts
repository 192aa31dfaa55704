/** Where in the user's program a value was declared. `null` when it was not captured. */
export interface Site {
  readonly file: string
  readonly line: number
  readonly column: number
}

/** A captured stack whose text is made only when somebody asks (formatting a stack is slow, capturing is not). */
export interface SiteSource {
  site(): Site | null
}

const HERE = new URL('..', import.meta.url).href

/** Captures the caller's stack; the first frame outside gradc's own source is the declaration. */
export function captureSite(): SiteSource {
  const at: { stack?: string } = {}
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 24
  Error.captureStackTrace?.(at, captureSite)
  Error.stackTraceLimit = limit
  let found: Site | null | undefined
  return { site: () => (found === undefined ? (found = firstOutside(at.stack ?? '')) : found) }
}

const FRAME = /\(?((?:file:\/\/|[A-Za-z]:\\|\/|https?:\/\/)[^()]*?):(\d+):(\d+)\)?$/

function firstOutside(stack: string): Site | null {
  const here = [HERE, HERE.replace('file://', '')]
  for (const line of stack.split('\n')) {
    const m = FRAME.exec(line.trim())
    if (!m || here.some((h) => m[1].startsWith(h)) || m[1].startsWith('node:')) continue
    return { file: m[1].replace('file://', ''), line: Number(m[2]), column: Number(m[3]) }
  }
  return null
}

/** `mnist.ts:14:11`: the last part of the path, enough to find the line. */
export const showSite = (s: Site | null): string => (s ? `${s.file.split(/[\\/]/).pop()}:${s.line}:${s.column}` : '')
