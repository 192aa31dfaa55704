// Trains the built module on two spirals, tests it on points that it has not seen, and saves the weights.
import { writeFileSync } from 'node:fs'
import { load } from './dist/spirals.js'
import { randomFrom, spirals } from './spirals.js'

const STEPS = 2000

const model = await load()
const random = randomFrom(1)
for (let step = 1; step <= STEPS; step++) {
  const { loss, accuracy } = model.train(spirals(64, random))
  if (step % 200 === 0) console.log(`step ${step}/${STEPS}  loss ${loss.toFixed(4)}  accuracy ${accuracy.toFixed(3)}`)
}

const test = spirals(256, random)
const { p } = model.predict({ x: test.x })
const right = test.y.filter((label, i) => (p[2 * i + 1] > p[2 * i] ? 1 : 0) === label).length
console.log(`test accuracy ${(right / 256).toFixed(3)} on 256 new points`)

writeFileSync('spirals.safetensors', model.save())
console.log('weights saved to spirals.safetensors; model.restore(bytes) takes them back')
