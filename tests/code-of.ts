import { GradcError } from '../src/ir/errors.ts'

/** The code of the GradcError that `run` throws; the text of any other error; 'no error'. */
export function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (e) {
    return e instanceof GradcError ? e.code : String(e)
  }
  return 'no error'
}
