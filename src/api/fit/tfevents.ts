// Event files of TensorBoard: TFRecords of the protocol buffer `Event` (tensorboard/compat/proto/event.proto, summary.proto).

/** Castagnoli's polynomial, bits reversed (RFC 3720, appendix B.4). */
const CASTAGNOLI = 0x82f63b78
const TABLE = Uint32Array.from({ length: 256 }, (_, i) => {
  let crc = i
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ CASTAGNOLI : crc >>> 1
  return crc
})

/** CRC-32C of bytes. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 255] ^ (crc >>> 8)
  return ~crc >>> 0
}

/** Turned and moved, so that the CRC of bytes that hold CRCs says something (tensorflow/core/lib/hash/crc32c.h). */
const masked = (crc: number): number => (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0

/** One TFRecord: length, its CRC, the bytes, their CRC, all little-endian. */
export function recordOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const record = new Uint8Array(bytes.length + 16)
  const view = new DataView(record.buffer)
  view.setBigUint64(0, BigInt(bytes.length), true)
  view.setUint32(8, masked(crc32c(record.subarray(0, 8))), true)
  record.set(bytes, 12)
  view.setUint32(12 + bytes.length, masked(crc32c(bytes)), true)
  return record
}

/** The record that an event file begins with. `time` is in seconds since 1970. */
export const versionRecord = (time: number): Uint8Array<ArrayBuffer> =>
  recordOf(Uint8Array.from([...double(1, time), ...text(3, 'brain.Event:2')]))

/** A record of scalars at a step, a whole number ≥ 0. `time` is in seconds since 1970. */
export function scalarsRecord(time: number, step: number, scalars: Readonly<Record<string, number>>): Uint8Array<ArrayBuffer> {
  const values = Object.entries(scalars).flatMap(([tag, value]) => message(1, [...text(1, tag), ...float(2, value)]))
  return recordOf(Uint8Array.from([...double(1, time), ...(step ? [...key(2, 0), ...varint(step)] : []), ...message(5, values)]))
}

/** Seven bits a byte, the lowest first; safe integers ≥ 0. */
function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  return [...bytes, rest]
}

/** Wire types: 0 a varint, 1 eight bytes, 2 length and bytes, 5 four bytes. */
const key = (field: number, wire: 0 | 1 | 2 | 5): number[] => varint(field * 8 + wire)
const message = (field: number, bytes: readonly number[]): number[] => [...key(field, 2), ...varint(bytes.length), ...bytes]
const text = (field: number, value: string): number[] => message(field, [...new TextEncoder().encode(value)])
const double = (field: number, value: number): number[] => [...key(field, 1), ...new Uint8Array(Float64Array.of(value).buffer)]
const float = (field: number, value: number): number[] => [...key(field, 5), ...new Uint8Array(Float32Array.of(value).buffer)]
