// What a user of TensorFlow.js's WebAssembly backend adds to train with it.

/**
 * The gradient of a convolution by its weights, which the backend lacks: a convolution as well, with the batch as the channels
 * that are summed over. Stride 1 and padding 'same' only.
 */
export function registerConvolutionByWeights(tf) {
  tf.registerKernel({
    kernelName: 'Conv2DBackpropFilter',
    backendName: 'wasm',
    kernelFunc: ({ inputs: { x, dy }, attrs: { pad, strides, filterShape } }) => {
      if (pad !== 'same' || [strides].flat().some((s) => s !== 1)) throw new Error('stride 1 and padding same only')
      const around = (filterShape[0] - 1) >> 1
      return tf.tidy(() => {
        const padding = [[0, 0], [around, around], [around, around], [0, 0]]
        const y = tf.conv2d(tf.transpose(x, [3, 1, 2, 0]), tf.transpose(dy, [1, 2, 0, 3]), 1, padding)
        return tf.transpose(y, [1, 2, 0, 3])
      })
    },
  })
}

/**
 * The backend's product is fast only where neither operand is transposed, and every gradient has one that is. So they are
 * transposed in memory before.
 */
export function transposeBeforeProducts(tf) {
  const product = tf.getKernel('BatchMatMul', 'wasm').kernelFunc
  tf.unregisterKernel('BatchMatMul', 'wasm')
  const swapped = (t) => {
    const axes = [...t.shape.keys()]
    return tf.transpose(t, [...axes.slice(0, -2), axes.at(-1), axes.at(-2)])
  }
  tf.registerKernel({
    kernelName: 'BatchMatMul',
    backendName: 'wasm',
    kernelFunc: ({ inputs, backend, attrs: { transposeA, transposeB } }) => {
      const a = transposeA ? swapped(inputs.a) : inputs.a
      const b = transposeB ? swapped(inputs.b) : inputs.b
      const result = product({ inputs: { a, b }, backend, attrs: { transposeA: false, transposeB: false } })
      if (transposeA) a.dispose()
      if (transposeB) b.dispose()
      return result
    },
  })
}
