// Checkmate's VGG19 (P. Jain et al., MLSys 2020) as tasks: 224 x 224 x 3, 1000 classes, everything in f32.

/** Bytes that activations may take on 16 GB: the rest holds the parameters and their gradients. */
const PARAMETERS = 143_667_240
export const BUDGET = 16e9 - 2 * 4 * PARAMETERS

const BLOCKS = [[64, 2], [128, 2], [256, 4], [512, 4], [512, 4]]

/** Elements and multiply-adds for one image, layer by layer. */
function layers() {
  const list = []
  let [side, channels] = [224, 3]
  for (const [width, convolutions] of BLOCKS) {
    for (let i = 0; i < convolutions; i++) {
      list.push({ elements: side * side * width, work: side * side * width * channels * 9 })
      channels = width
    }
    side /= 2
    list.push({ elements: side * side * channels, work: 0 })
  }
  let inputs = side * side * channels
  list.push({ elements: inputs, work: 0 })
  for (const outputs of [4096, 4096, 1000]) {
    list.push({ elements: outputs, work: inputs * outputs })
    inputs = outputs
  }
  return list
}

/**
 * The way forward and the way back. Going back through a layer reads its input, its output and the gradient of its output,
 * and makes the gradient of its input. Under this reading liveness alone comes to Checkmate's batch of 222.
 */
export function vgg19(batch) {
  const forward = layers()
  const bytes = []
  const tasks = []
  const add = (cost, elements, reads) => {
    tasks.push({ cost: cost * batch, reads, writes: [bytes.length] })
    bytes.push(4 * elements * batch)
  }
  forward.forEach(({ elements, work }, i) => add(work, elements, i ? [i - 1] : []))
  const n = forward.length
  for (let i = n - 1; i >= 0; i--) {
    const above = tasks.length > n ? [tasks.length - 1] : []
    const inputs = i ? forward[i - 1].elements : 224 * 224 * 3
    add(2 * forward[i].work, inputs, [...(i ? [i - 1] : []), i, ...above])
  }
  return { tasks, bytes }
}
