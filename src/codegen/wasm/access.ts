import type { Affine } from '../../ir/affine.ts'
import { isHalf } from '../../ir/half.ts'
import { DTYPES, type DType } from '../../ir/types.ts'
import type { Code, Local } from './encoder/assembler.ts'
import { memoryOp, type Place } from './scalars.ts'
import type { Access } from './scope.ts'

/** A place in memory: `base` leaves an i32 on the stack each time it is called. */
export interface Address {
  readonly base: () => void
  readonly offset: number
}

/** Byte offset and strides of an element index into the buffer at `address`. */
export function accessOf(address: number, index: Affine, dtype: DType): Access {
  const { bytes } = DTYPES[dtype]
  return { buffer: address, offset: address + index.offset * bytes, strides: index.coefficients.map((c) => c * bytes) }
}

/** Pushes the part of an address that changes; constants go into the instruction itself. */
export const pointerBase = (code: () => Code, pointer: Local | null): (() => void) => () => {
  if (pointer) code().get(pointer)
  else code().i32(0)
}

/** One element on the stack. */
export function loadOne(code: Code, dtype: DType, a: Address): void {
  a.base()
  code.memory(memoryOp('load', dtype), a.offset, DTYPES[dtype].bytes)
}

/** One element of 4 bytes in all lanes. */
export function loadSplat(code: Code, a: Address): void {
  a.base()
  code.memory('v128.load32_splat', a.offset, 4)
}

const REVERSED = [3, 2, 1, 0] as const
/** Where elements two or three apart are, by their distance in bytes. */
const STEPS: { readonly [stride: number]: readonly [number, number, number, number] } = {
  8: [0, 2, 5, 7], 12: [0, 3, 4, 7], [-8]: [7, 5, 2, 0], [-12]: [7, 4, 3, 0],
}

/**
 * `width` elements, `stride` bytes apart, in the first lanes of a vector on the stack; reads nothing else.
 * Other lanes are arbitrary. Bools become masks; f16 and bf16 come as their bits.
 */
export function loadLanes(place: Place, dtype: DType, a: Address, stride: number, width: number): void {
  const { code } = place
  if (dtype === 'bool' && width === 4 && stride === 2) {
    loadEverySecondByte(code, a)
    code.op('i32x4.neg')
  } else if (dtype === 'bool') {
    loadBytes(code, a, stride, width)
    code.op('i16x8.extend_low_i8x16_u', 'i32x4.extend_low_i16x8_u', 'i32x4.neg')
  } else if (isHalf(dtype)) {
    loadHalves(code, a, stride, width)
  } else if (width === 4 && stride === 4) {
    a.base()
    code.memory('v128.load', a.offset, 4)
  } else if (width === 4 && stride === -4) {
    const v = place.local('v128')
    a.base()
    code.memory('v128.load', a.offset - 12, 4).tee(v).get(v).shuffle32(REVERSED)
  } else if (width === 4 && STEPS[stride]) {
    // Two vectors, from the lowest and up to the highest element, hold all four and nothing beyond.
    const low = a.offset + Math.min(0, 3 * stride)
    a.base()
    code.memory('v128.load', low, 4)
    a.base()
    code.memory('v128.load', low + 3 * Math.abs(stride) - 12, 4).shuffle32(STEPS[stride])
  } else if (stride === 4 && width > 1) {
    if (width === 3) a.base()
    a.base()
    code.memory('v128.load64_zero', a.offset, 4)
    if (width === 3) code.memoryLane('v128.load32_lane', a.offset + 8, 4, 2)
  } else {
    for (let l = 0; l < width; l++) a.base()
    code.memory('v128.load32_zero', a.offset, 4)
    for (let l = 1; l < width; l++) code.memoryLane('v128.load32_lane', a.offset + stride * l, 4, l)
  }
}

function loadBytes(code: Code, a: Address, stride: number, width: number): void {
  if (width === 4 && stride === 1) {
    a.base()
    code.memory('v128.load32_zero', a.offset, 1)
    return
  }
  for (let l = 0; l < width; l++) a.base()
  code.memory('v128.load8_splat', a.offset, 1)
  for (let l = 1; l < width; l++) code.memoryLane('v128.load8_lane', a.offset + stride * l, 1, l)
}

/** Bytes 0, 2, 4 and 6, each with three zeros behind it. */
function loadEverySecondByte(code: Code, a: Address): void {
  a.base()
  a.base()
  code.memory('v128.load32_zero', a.offset, 1).memoryLane('v128.load32_lane', a.offset + 3, 1, 1)
  const none = 0x80
  code.v128([0, 2, 5, 7].flatMap((byte) => [byte, none, none, none])).op('i8x16.swizzle')
}

function loadHalves(code: Code, a: Address, stride: number, width: number): void {
  if (width === 4 && stride === 2) {
    a.base()
    code.memory('v128.load16x4_u', a.offset, 2)
    return
  }
  // A single load clears the upper lanes and halves; the others go into the lower halves of theirs.
  for (let l = 0; l < width; l++) a.base()
  code.memory('i32.load16_u', a.offset, 2).op('i32x4.splat')
  for (let l = 1; l < width; l++) code.memoryLane('v128.load16_lane', a.offset + stride * l, 2, 2 * l)
}

/** Elements at addresses of their own, one for each lane. */
export function gatherLanes(place: Place, dtype: DType, addresses: readonly Address[]): void {
  const { code } = place
  for (const a of addresses.toReversed()) a.base()
  addresses.forEach((a, l) => {
    if (dtype === 'bool') {
      if (l === 0) code.memory('v128.load8_splat', a.offset, 1)
      else code.memoryLane('v128.load8_lane', a.offset, 1, l)
    } else if (isHalf(dtype)) {
      if (l === 0) code.memory('i32.load16_u', a.offset, 2).op('i32x4.splat')
      else code.memoryLane('v128.load16_lane', a.offset, 2, 2 * l)
    } else if (l === 0) code.memory('v128.load32_zero', a.offset, 4)
    else code.memoryLane('v128.load32_lane', a.offset, 4, l)
  })
  if (dtype === 'bool') code.op('i16x8.extend_low_i8x16_u', 'i32x4.extend_low_i16x8_u', 'i32x4.neg')
}

/** Writes the first `width` lanes, `stride` bytes apart, and nothing else. `push` is called once. */
export function storeLanes(place: Place, dtype: DType, a: Address, stride: number, width: number, push: () => void): void {
  const { code } = place
  if (dtype !== 'bool' && !isHalf(dtype) && width === 4 && stride === 4) {
    a.base()
    push()
    code.memory('v128.store', a.offset, 4)
    return
  }
  const v = place.local('v128')
  push()
  if (dtype === 'bool') {
    // Masks to 0 or 1, then the low byte of each lane to the front.
    code.op('i32x4.neg').tee(v).get(v).op('i16x8.narrow_i32x4_u').tee(v).get(v).op('i8x16.narrow_i16x8_u').set(v)
    if (width === 4 && stride === 1) {
      a.base()
      code.get(v).memoryLane('v128.store32_lane', a.offset, 1, 0)
    } else storeEach(code, 'v128.store8_lane', a, stride, width, v)
  } else if (isHalf(dtype)) {
    if (width === 4 && stride === 2) {
      code.tee(v).get(v).op('i16x8.narrow_i32x4_u').set(v)
      a.base()
      code.get(v).memoryLane('v128.store64_lane', a.offset, 2, 0)
    } else {
      code.set(v)
      storeEach(code, 'v128.store16_lane', a, stride, width, v)
    }
  } else if (width === 4 && stride === -4) {
    code.set(v)
    a.base()
    code.get(v).get(v).shuffle32(REVERSED).memory('v128.store', a.offset - 12, 4)
  } else if (stride === 4 && width > 1) {
    code.set(v)
    a.base()
    code.get(v).memoryLane('v128.store64_lane', a.offset, 4, 0)
    if (width < 3) return
    a.base()
    code.get(v).memoryLane('v128.store32_lane', a.offset + 8, 4, 2)
  } else {
    code.set(v)
    storeEach(code, 'v128.store32_lane', a, stride, width, v)
  }
}

/** Writes lanes of 4 bytes in turns: a0, b0, a1, b1, …, `width` of each, and nothing else. */
export function storePairs(place: Place, to: Address, width: number, a: Local, b: Local): void {
  const { code } = place
  const put = (lanes: readonly [number, number, number, number], offset: number, count: number): void => {
    to.base()
    code.get(a).get(b).shuffle32(lanes)
    if (count >= 2) code.memory('v128.store', to.offset + offset, 4)
    else code.memoryLane('v128.store64_lane', to.offset + offset, 4, 0)
  }
  put([0, 4, 1, 5], 0, width)
  if (width > 2) put([2, 6, 3, 7], 16, width - 2)
}

type LaneStore = 'v128.store8_lane' | 'v128.store16_lane' | 'v128.store32_lane'
const LANE_BYTES: { readonly [S in LaneStore]: number } = {
  'v128.store8_lane': 1, 'v128.store16_lane': 2, 'v128.store32_lane': 4,
}

function storeEach(code: Code, op: LaneStore, a: Address, stride: number, width: number, v: Local): void {
  const bytes = LANE_BYTES[op]
  for (let l = 0; l < width; l++) {
    a.base()
    // A half fills the lower half of its lane.
    code.get(v).memoryLane(op, a.offset + stride * l, bytes, bytes === 2 ? 2 * l : l)
  }
}
