/**
 * Numbers of 16 bits: bfloat16 (float32 cut in half) and float16 (IEEE binary16), as their bit patterns.
 *
 * @module
 */

/** Widens bfloat16 bit patterns; exact. */
export function widenBfloat16(source: Uint16Array): Float32Array<ArrayBuffer> {
  const bits = new Uint32Array(source.length);
  for (let i = 0; i < source.length; i++) bits[i] = source[i]! << 16;
  return new Float32Array(bits.buffer);
}

/** Rounds to bfloat16, ties to even; infinities and NaN stay what they are. */
export function narrowToBfloat16(source: Float32Array<ArrayBuffer>): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(source.buffer, source.byteOffset, source.length);
  const result = new Uint16Array(source.length);
  for (let i = 0; i < bits.length; i++) {
    const value = bits[i]!;
    const isNan = (value & 0x7fffffff) > 0x7f800000;
    result[i] = isNan ? (value >>> 16) | 0x40 : (value + 0x7fff + ((value >>> 16) & 1)) >>> 16;
  }
  return result;
}

/** Widens float16 bit patterns; exact. */
export function widenFloat16(source: Uint16Array): Float32Array<ArrayBuffer> {
  const table = float16Table();
  const result = new Float32Array(source.length);
  for (let i = 0; i < source.length; i++) result[i] = table[source[i]!]!;
  return result;
}

/** Rounds to float16, ties to even; what is beyond 65,504 becomes infinite. */
export function narrowToFloat16(source: Float32Array<ArrayBuffer>): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(source.buffer, source.byteOffset, source.length);
  const result = new Uint16Array(source.length);
  for (let i = 0; i < bits.length; i++) result[i] = float16Bits(bits[i]!);
  return result;
}

function float16Bits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x47800000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) {
    // Normal: rebias the exponent by 112, round away 13 bits of the fraction. A carry runs into the exponent, rightly.
    return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  }
  const shift = 126 - (magnitude >>> 23);
  if (shift > 24) return sign;
  const fraction = (magnitude & 0x7fffff) | 0x800000;
  const half = 1 << (shift - 1);
  return sign | ((fraction + half - 1 + ((fraction >>> shift) & 1)) >>> shift);
}

let table: Float32Array<ArrayBuffer> | undefined;

/** Every float16 as float32: 65,536 entries, made on first use; four times as fast as decoding each. */
function float16Table(): Float32Array<ArrayBuffer> {
  if (table !== undefined) return table;
  table = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const exponent = (bits >>> 10) & 31;
    const fraction = bits & 1023;
    const magnitude = exponent === 31
      ? (fraction === 0 ? Infinity : NaN)
      : exponent === 0
      ? fraction * 2 ** -24
      : (1024 + fraction) * 2 ** (exponent - 25);
    table[bits] = bits & 0x8000 ? -magnitude : magnitude;
  }
  return table;
}
