/** The axis labels of a contraction, taken apart: one letter an axis. */
export interface Labels {
  readonly x: string
  readonly y: string
  readonly out: string
}

/** The labels of `ik,kj->ij`; null for text of another form. */
export function labelsOf(spec: string): Labels | null {
  const match = /^([a-zA-Z]*),([a-zA-Z]*)->([a-zA-Z]*)$/.exec(spec)
  return match && { x: match[1], y: match[2], out: match[3] }
}

/** The text that {@link labelsOf} takes apart. */
export const specOf = ({ x, y, out }: Labels): string => `${x},${y}->${out}`
