/** Something that the user can put right: its message is all that is printed, and the command exits with 1. */
export class Failure extends Error {
  constructor(problem: string, hint = '', cause?: unknown) {
    super(hint ? `${problem}\nhint: ${hint}` : problem, { cause })
    this.name = 'Failure'
  }
}
