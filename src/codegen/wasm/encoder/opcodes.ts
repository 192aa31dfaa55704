/**
 * The instructions that gradc emits, by the names of the text format, with their codes (core specification, §5.4).
 * Codes behind a prefix byte are kept as prefix · 0x1000 + code: 0xfd for SIMD, 0xfc for the saturating truncations, 0xfe for atomics.
 * The relaxed-SIMD instructions belong to the same table: f32x4.relaxed_madd will be 0xfd105.
 */

/** No immediate. */
export const PLAIN = {
  unreachable: 0x00, else: 0x05, end: 0x0b, return: 0x0f, drop: 0x1a, select: 0x1b,
  'i32.eqz': 0x45, 'i32.eq': 0x46, 'i32.ne': 0x47, 'i32.lt_s': 0x48, 'i32.lt_u': 0x49, 'i32.gt_s': 0x4a, 'i32.gt_u': 0x4b,
  'i32.le_s': 0x4c, 'i32.le_u': 0x4d, 'i32.ge_s': 0x4e, 'i32.ge_u': 0x4f,
  'f32.eq': 0x5b, 'f32.ne': 0x5c, 'f32.lt': 0x5d, 'f32.gt': 0x5e, 'f32.le': 0x5f, 'f32.ge': 0x60,
  'f64.eq': 0x61, 'f64.ne': 0x62, 'f64.lt': 0x63, 'f64.gt': 0x64, 'f64.le': 0x65, 'f64.ge': 0x66,
  'i32.add': 0x6a, 'i32.sub': 0x6b, 'i32.mul': 0x6c, 'i32.div_s': 0x6d, 'i32.div_u': 0x6e, 'i32.rem_s': 0x6f, 'i32.rem_u': 0x70,
  'i32.and': 0x71, 'i32.or': 0x72, 'i32.xor': 0x73, 'i32.shl': 0x74, 'i32.shr_s': 0x75, 'i32.shr_u': 0x76,
  'i64.mul': 0x7e, 'i64.shr_u': 0x88,
  'f32.abs': 0x8b, 'f32.neg': 0x8c, 'f32.ceil': 0x8d, 'f32.floor': 0x8e, 'f32.trunc': 0x8f, 'f32.nearest': 0x90, 'f32.sqrt': 0x91,
  'f32.add': 0x92, 'f32.sub': 0x93, 'f32.mul': 0x94, 'f32.div': 0x95, 'f32.min': 0x96, 'f32.max': 0x97, 'f32.copysign': 0x98,
  'f64.abs': 0x99, 'f64.neg': 0x9a, 'f64.ceil': 0x9b, 'f64.floor': 0x9c, 'f64.trunc': 0x9d, 'f64.nearest': 0x9e, 'f64.sqrt': 0x9f,
  'f64.add': 0xa0, 'f64.sub': 0xa1, 'f64.mul': 0xa2, 'f64.div': 0xa3, 'f64.min': 0xa4, 'f64.max': 0xa5, 'f64.copysign': 0xa6,
  'i32.wrap_i64': 0xa7, 'i64.extend_i32_u': 0xad,
  'f32.convert_i32_s': 0xb2, 'f32.convert_i32_u': 0xb3, 'f32.demote_f64': 0xb6,
  'f64.convert_i32_s': 0xb7, 'f64.convert_i32_u': 0xb8, 'f64.promote_f32': 0xbb,
  'i32.reinterpret_f32': 0xbc, 'f32.reinterpret_i32': 0xbe,
  'i32.trunc_sat_f32_s': 0xfc000, 'i32.trunc_sat_f32_u': 0xfc001, 'i32.trunc_sat_f64_s': 0xfc002,
  'i32.trunc_sat_f64_u': 0xfc003,
  'i8x16.swizzle': 0xfd00e, 'i32x4.splat': 0xfd011, 'f32x4.splat': 0xfd013, 'f64x2.splat': 0xfd014,
  'i32x4.eq': 0xfd037, 'i32x4.ne': 0xfd038, 'i32x4.lt_s': 0xfd039, 'i32x4.lt_u': 0xfd03a,
  'i32x4.gt_s': 0xfd03b, 'i32x4.gt_u': 0xfd03c, 'i32x4.le_s': 0xfd03d, 'i32x4.le_u': 0xfd03e,
  'i32x4.ge_s': 0xfd03f, 'i32x4.ge_u': 0xfd040,
  'f32x4.eq': 0xfd041, 'f32x4.ne': 0xfd042, 'f32x4.lt': 0xfd043, 'f32x4.gt': 0xfd044, 'f32x4.le': 0xfd045,
  'f32x4.ge': 0xfd046,
  'f64x2.eq': 0xfd047, 'f64x2.ne': 0xfd048, 'f64x2.lt': 0xfd049, 'f64x2.gt': 0xfd04a, 'f64x2.le': 0xfd04b,
  'f64x2.ge': 0xfd04c,
  'v128.not': 0xfd04d, 'v128.and': 0xfd04e, 'v128.andnot': 0xfd04f, 'v128.or': 0xfd050, 'v128.xor': 0xfd051,
  'v128.bitselect': 0xfd052, 'v128.any_true': 0xfd053,
  'i8x16.narrow_i16x8_u': 0xfd066, 'i16x8.narrow_i32x4_u': 0xfd086, 'i16x8.extend_low_i8x16_u': 0xfd089,
  'i32x4.extend_low_i16x8_u': 0xfd0a9,
  'f32x4.ceil': 0xfd067, 'f32x4.floor': 0xfd068, 'f32x4.trunc': 0xfd069, 'f32x4.nearest': 0xfd06a,
  'i32x4.abs': 0xfd0a0, 'i32x4.neg': 0xfd0a1, 'i32x4.shl': 0xfd0ab, 'i32x4.shr_s': 0xfd0ac,
  'i32x4.shr_u': 0xfd0ad,
  'i32x4.add': 0xfd0ae, 'i32x4.sub': 0xfd0b1, 'i32x4.mul': 0xfd0b5, 'i32x4.min_s': 0xfd0b6,
  'i32x4.min_u': 0xfd0b7,
  'i32x4.max_s': 0xfd0b8, 'i32x4.max_u': 0xfd0b9, 'i64x2.extmul_low_i32x4_u': 0xfd0de,
  'f32x4.abs': 0xfd0e0, 'f32x4.neg': 0xfd0e1, 'f32x4.sqrt': 0xfd0e3, 'f32x4.add': 0xfd0e4,
  'f32x4.sub': 0xfd0e5,
  'f32x4.mul': 0xfd0e6, 'f32x4.div': 0xfd0e7, 'f32x4.min': 0xfd0e8, 'f32x4.max': 0xfd0e9, 'f32x4.pmin': 0xfd0ea, 'f32x4.pmax': 0xfd0eb,
  'f64x2.abs': 0xfd0ec, 'f64x2.neg': 0xfd0ed, 'f64x2.sqrt': 0xfd0ef, 'f64x2.add': 0xfd0f0,
  'f64x2.sub': 0xfd0f1,
  'f64x2.mul': 0xfd0f2, 'f64x2.div': 0xfd0f3, 'f64x2.min': 0xfd0f4, 'f64x2.max': 0xfd0f5,
  'i32x4.trunc_sat_f32x4_s': 0xfd0f8, 'i32x4.trunc_sat_f32x4_u': 0xfd0f9,
  'f32x4.convert_i32x4_s': 0xfd0fa, 'f32x4.convert_i32x4_u': 0xfd0fb,
} as const

/** One local. */
export const ON_LOCAL = { 'local.get': 0x20, 'local.set': 0x21, 'local.tee': 0x22 } as const

/** One global. */
export const ON_GLOBAL = { 'global.get': 0x23, 'global.set': 0x24 } as const

/** Opens a label; ended by `end`. None has a result. */
export const STRUCTURE = { block: 0x02, loop: 0x03, if: 0x04 } as const

/** One label. */
export const BRANCH = { br: 0x0c, br_if: 0x0d } as const

/** One number of the type before the dot. */
export const CONSTANT = { 'i32.const': 0x41, 'i64.const': 0x42, 'f32.const': 0x43, 'f64.const': 0x44 } as const

/** Byte offset and the logarithm of the alignment. */
export const MEMORY = {
  'i32.load': 0x28, 'f32.load': 0x2a, 'f64.load': 0x2b, 'i32.load8_u': 0x2d, 'i32.load16_u': 0x2f,
  'i32.store': 0x36, 'f32.store': 0x38, 'f64.store': 0x39, 'i32.store8': 0x3a, 'i32.store16': 0x3b,
  'v128.load': 0xfd000, 'v128.load16x4_u': 0xfd004, 'v128.load8_splat': 0xfd007, 'v128.load32_splat': 0xfd009, 'v128.load64_splat': 0xfd00a,
  'v128.store': 0xfd00b, 'v128.load32_zero': 0xfd05c, 'v128.load64_zero': 0xfd05d,
} as const

/** Byte offset; the alignment is no hint: it is 4. */
export const ATOMIC = {
  'memory.atomic.notify': 0xfe000, 'memory.atomic.wait32': 0xfe001,
  'i32.atomic.load': 0xfe010, 'i32.atomic.store': 0xfe017, 'i32.atomic.rmw.add': 0xfe01e,
} as const

/** Byte offset, the logarithm of the alignment, and a lane. */
export const MEMORY_LANE = {
  'v128.load8_lane': 0xfd054, 'v128.load16_lane': 0xfd055, 'v128.load32_lane': 0xfd056,
  'v128.load64_lane': 0xfd057,
  'v128.store8_lane': 0xfd058, 'v128.store16_lane': 0xfd059, 'v128.store32_lane': 0xfd05a,
  'v128.store64_lane': 0xfd05b,
} as const

/** A lane. */
export const LANE = {
  'i32x4.extract_lane': 0xfd01b, 'i32x4.replace_lane': 0xfd01c, 'f32x4.extract_lane': 0xfd01f,
  'f32x4.replace_lane': 0xfd020, 'f64x2.extract_lane': 0xfd021, 'f64x2.replace_lane': 0xfd022,
} as const

/** 16 bytes. */
export const BYTES16 = { 'v128.const': 0xfd00c, 'i8x16.shuffle': 0xfd00d } as const

/** Of memory 0: target, source or byte, and number of bytes are on the stack. */
export const BULK = { 'memory.copy': 0xfc00a, 'memory.fill': 0xfc00b } as const

/** One function. */
export const CALL = { call: 0x10 } as const

export type PlainOp = keyof typeof PLAIN
export type MemoryOp = keyof typeof MEMORY
export type AtomicOp = keyof typeof ATOMIC
export type MemoryLaneOp = keyof typeof MEMORY_LANE
export type LaneOp = keyof typeof LANE
export type ConstantOp = keyof typeof CONSTANT
