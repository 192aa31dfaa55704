import { nn, type Tensor } from '../../src/index.ts'

/** What an LSTM remembers from step to step, [layers, batch, hidden] each. */
export type Memory = { readonly h: Tensor<'f32'>; readonly c: Tensor<'f32'> }

/** What a run gives: logits [batch, steps, alphabet] of what follows each character, and the memory after the last. */
export type Run = Memory & { readonly logits: Tensor<'f32'> }

/** Characters [batch, steps] and the memory before them, to what may follow. */
export type Network = (x: Tensor<'i32'>, memory: Memory) => Run

export const LAYERS = 2
export const HIDDEN = 128
const EMBEDDED = 64

/** The net for an alphabet of so many characters. `hidden` is what each layer remembers of a stream. */
export function network(alphabet: number, hidden: number = HIDDEN): Network {
  const embed = nn.embedding(alphabet, EMBEDDED)
  const lstm = nn.lstm({ input: EMBEDDED, hidden, layers: LAYERS })
  const head = nn.linear(hidden, alphabet)
  // The model gives the parameters their names; its parts are called apart, since memory goes in and out.
  nn.model({ embed, lstm, head })
  return (x, memory) => {
    const { out, h, c } = lstm.run(embed(x), memory)
    return { logits: head(out), h, c } as Run
  }
}
