/** Rows and columns of a digit. */
export const SIDE = 28
/** Pixels of a digit. */
export const AREA: number = SIDE * SIDE
/** Mean and standard deviation of all pixels of MNIST's training images, paper being 0 and ink 1. */
const MEAN = 0.1307
const DEVIATION = 0.3081

/** A digit with its right answer: 784 pixels, row by row, 0 (paper) to 255 (ink). */
export interface Labelled {
  readonly pixels: Uint8Array
  readonly label: number
}

/** Records of one label and 784 pixels each. @throws Error if the file is cut off */
export function readRecords(file: ArrayBuffer): Labelled[] {
  const record = AREA + 1
  if (file.byteLength % record !== 0) throw new Error(`${file.byteLength} bytes are no whole number of digits`)
  return Array.from({ length: file.byteLength / record }, (_, i) => ({
    label: new Uint8Array(file, i * record, 1)[0],
    pixels: new Uint8Array(file, i * record + 1, AREA),
  }))
}

/** Writes a digit as the network wants it, moved by `right` and `down` pixels, what comes in being paper. */
export function writeInput(to: Float32Array, at: number, pixels: Uint8Array, right = 0, down = 0): void {
  for (let row = 0; row < SIDE; row++) {
    for (let column = 0; column < SIDE; column++) {
      const [r, c] = [row - down, column - right]
      const ink = r >= 0 && r < SIDE && c >= 0 && c < SIDE ? pixels[r * SIDE + c] / 255 : 0
      to[at + row * SIDE + column] = (ink - MEAN) / DEVIATION
    }
  }
}
