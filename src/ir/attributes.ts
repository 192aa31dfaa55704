import type { Attr, Attrs } from './graph.ts'
import { DTYPES, isDType, isFloat, type DType, type TypedArray } from './types.ts'

/** What an attribute may hold. One attribute name means one kind in every op. */
export type AttrKind = 'string' | 'dtype' | 'number' | 'integer' | 'integers' | 'values'

const KINDS: ReadonlyMap<string, AttrKind> = new Map<string, AttrKind>([
  ['name', 'string'],
  ['spec', 'string'],
  ['dtype', 'dtype'],
  ['to', 'dtype'],
  ['value', 'number'],
  ['axis', 'integer'],
  ['count', 'integer'],
  ['carries', 'integer'],
  ['scanned', 'integer'],
  ['length', 'integer'],
  ['reverse', 'integer'],
  ['recompute', 'integer'],
  ['index', 'integer'],
  ['shape', 'integers'],
  ['axes', 'integers'],
  ['perm', 'integers'],
  ['start', 'integers'],
  ['size', 'integers'],
  ['step', 'integers'],
  ['low', 'integers'],
  ['high', 'integers'],
  ['interior', 'integers'],
  ['stride', 'integers'],
  ['dilation', 'integers'],
  ['values', 'values'],
])

/** The kind of an attribute by its name; null for a name that is not in the table. */
export const kindOf = (name: string): AttrKind | null => KINDS.get(name) ?? null

const isInteger = (a: Attr): boolean => typeof a === 'number' && Number.isSafeInteger(a)

/** Does the value have the kind that the attribute's name asks for? Names outside the table hold anything. */
export function fitsKind(name: string, value: Attr): boolean {
  switch (kindOf(name)) {
    case 'string':
      return typeof value === 'string'
    case 'dtype':
      return typeof value === 'string' && isDType(value)
    case 'number':
      return typeof value === 'number'
    case 'integer':
      return isInteger(value)
    case 'integers':
      return Array.isArray(value) && value.every(isInteger)
    case 'values':
      return ArrayBuffer.isView(value)
    case null:
      return true
  }
}

/** Structural equality of attribute values: numbers by `Object.is`, arrays by elements, payloads by bytes. */
export function sameAttr(a: Attr, b: Attr): boolean {
  if (Array.isArray(a) || ArrayBuffer.isView(a)) {
    if (Array.isArray(a) !== Array.isArray(b) || typeof b !== 'object') return false
    if (ArrayBuffer.isView(a)) return a.constructor === b.constructor && toHex(a as TypedArray) === toHex(b as TypedArray)
    return a.length === b.length && (a as readonly Attr[]).every((x, i) => sameAttr(x, b[i]))
  }
  return Object.is(a, b)
}

/** Equality of attribute records, key by key. */
export function sameAttrs(a: Attrs, b: Attrs): boolean {
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((k) => Object.hasOwn(b, k) && sameAttr(a[k], b[k]))
}

/** The shortest decimal that rounds back to the number; of a float dtype of at most 4 bytes, in single precision. */
export function showNumber(v: number, dtype: DType = 'f64'): string {
  if (Object.is(v, -0)) return '-0'
  if (dtype === 'f64' || !isFloat(dtype) || !Number.isFinite(v) || Math.fround(v) !== v) return String(v)
  for (let digits = 1; digits < 10; digits++) {
    const short = Number(v.toPrecision(digits))
    if (Math.fround(short) === v) return String(short)
  }
  return String(v)
}

const BYTE = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'))

/** Little-endian bytes in hexadecimal. */
export function toHex(values: TypedArray): string {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
  const parts: string[] = []
  for (let i = 0; i < bytes.length; i++) parts.push(BYTE[bytes[i]])
  return parts.join('')
}

/** The array whose little-endian bytes the text spells; null if it spells none of this dtype. */
export function fromHex(text: string, dtype: DType): TypedArray | null {
  const { bytes: width, array } = DTYPES[dtype]
  if (text.length % (2 * width) !== 0 || !/^[0-9a-f]*$/.test(text)) return null
  const bytes = new Uint8Array(text.length / 2)
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(text.slice(2 * i, 2 * i + 2), 16)
  return new array(bytes.buffer, 0, bytes.length / width)
}
