import { GradcError } from '../../ir/errors.ts'
import { showValue } from '../../ir/arguments.ts'

/**
 * Fewest steps forward, besides the one that each step back takes itself, to go back through a loop of `steps` steps with
 * `slots` saved states (the first one is among them): r n - C(s + r, r - 1) for the smallest r with C(s + r, s) >= n.
 * A. Griewank and A. Walther, "Revolve" (2000).
 * @throws GradcError option/invalid unless both are whole numbers, at least 0 steps and 1 slot
 */
export function fewestAdvances(steps: number, slots: number): number {
  checkCount('steps', steps, 0)
  checkCount('slots', slots, 1)
  if (steps < 2) return 0
  // One slot is n (n - 1) / 2; the loop below would need as many rounds as there are steps.
  if (slots === 1) return (steps * (steps - 1)) / 2
  let [rounds, reach, before] = [0, 1, 0]
  while (reach < steps) {
    rounds++
    // C(s + r, r - 1) = C(s + r - 1, r - 1) (s + r) / (s + 1), and C(s + r, s) = C(s + r - 1, s) (s + r) / r.
    before = (reach * (slots + rounds)) / (slots + 1)
    reach = (reach * (slots + rounds)) / rounds
  }
  return rounds * steps - Math.round(before)
}

function checkCount(name: string, value: unknown, least: number): void {
  if (Number.isSafeInteger(value) && (value as number) >= least) return
  throw new GradcError('option/invalid', `${name} must be a whole number of at least ${least}, got ${showValue(value)}`, {
    hint: 'say how many steps the loop has and how many of its states can be kept at once',
  })
}
