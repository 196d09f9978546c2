use std::arch::x86_64::{
    __m256i, __m512i, _mm256_add_epi32, _mm256_dpbusd_avx_epi32, _mm256_load_si256, _mm256_madd_epi16,
    _mm256_maddubs_epi16, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_setzero_si256, _mm512_add_epi32,
    _mm512_dpbusd_epi32, _mm512_load_si512, _mm512_reduce_add_epi32, _mm512_set1_epi32, _mm512_setzero_si512,
};

use super::{COLUMNS, Operands, ROWS};

/// Rows that fit the sixteen registers of AVX2 with two registers of weights.
const FEWER_ROWS: usize = 4;
/// Weights in a register of AVX2, in words.
const LANES: usize = 8;
/// Tiles of so many rows and two registers that make the operands.
const PARTS: usize = ROWS / FEWER_ROWS * COLUMNS / (2 * LANES);

#[target_feature(enable = "avx512f,avx512vnni")]
pub(super) fn vnni512(operands: &Operands, passes: usize) -> i32 {
    let mut sums = [[_mm512_setzero_si512(); 2]; ROWS];
    for _ in 0..passes {
        for (line, rows) in operands.weights.iter().zip(&operands.rows) {
            let (low, high) = line.split_at(COLUMNS / 2);
            let load = |half: &[[u8; 4]]| -> __m512i {
                // SAFETY: Half a line is a vector, and aligned as the operands are.
                unsafe { _mm512_load_si512(half.as_ptr().cast()) }
            };
            let weights = [load(low), load(high)];
            for (sums, row) in sums.iter_mut().zip(rows) {
                let four = _mm512_set1_epi32(i32::from_ne_bytes(row.map(i8::cast_unsigned)));
                *sums = [
                    _mm512_dpbusd_epi32(sums[0], weights[0], four),
                    _mm512_dpbusd_epi32(sums[1], weights[1], four),
                ];
            }
        }
    }
    let sums = sums.as_flattened().iter();
    _mm512_reduce_add_epi32(sums.fold(_mm512_setzero_si512(), |all, one| _mm512_add_epi32(all, *one)))
}

#[target_feature(enable = "avx2,avxvnni")]
pub(super) fn vnni256(operands: &Operands, passes: usize) -> i32 {
    let mut all = _mm256_setzero_si256();
    for part in 0..passes * PARTS {
        let mut sums = [[_mm256_setzero_si256(); 2]; FEWER_ROWS];
        for (line, rows) in operands.weights.iter().zip(&operands.rows) {
            let weights = weights(line, part);
            for (sums, row) in sums.iter_mut().zip(some(rows, part)) {
                let four = four(row);
                *sums = [
                    _mm256_dpbusd_avx_epi32(sums[0], weights[0], four),
                    _mm256_dpbusd_avx_epi32(sums[1], weights[1], four),
                ];
            }
        }
        all = add(all, &sums);
    }
    total(all)
}

#[target_feature(enable = "avx2")]
pub(super) fn avx2(operands: &Operands, passes: usize) -> i32 {
    let mut all = _mm256_setzero_si256();
    for part in 0..passes * PARTS {
        let mut sums = [[_mm256_setzero_si256(); 2]; FEWER_ROWS];
        for (line, rows) in operands.weights.iter().zip(&operands.rows) {
            let weights = weights(line, part);
            for (sums, row) in sums.iter_mut().zip(some(rows, part)) {
                let four = four(row);
                *sums = [pairs(sums[0], weights[0], four), pairs(sums[1], weights[1], four)];
            }
        }
        all = add(all, &sums);
    }
    total(all)
}

/// The rows of a part.
#[inline]
fn some(rows: &[[i8; 4]; ROWS], part: usize) -> &[[i8; 4]; FEWER_ROWS] {
    &rows.as_chunks().0[part % (ROWS / FEWER_ROWS)]
}

/// The weights of a part.
#[inline]
#[target_feature(enable = "avx2")]
fn weights(line: &[[u8; 4]; COLUMNS], part: usize) -> [__m256i; 2] {
    let (halves, _) = line.as_chunks::<{ COLUMNS / 2 }>();
    let half = halves[part / (ROWS / FEWER_ROWS) % 2].as_ptr();
    // SAFETY: Half a line is two vectors, and aligned as the operands are.
    unsafe { [_mm256_load_si256(half.cast()), _mm256_load_si256(half.add(LANES).cast())] }
}

#[inline]
#[target_feature(enable = "avx2")]
fn four(row: &[i8; 4]) -> __m256i {
    _mm256_set1_epi32(i32::from_ne_bytes(row.map(i8::cast_unsigned)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn pairs(sum: __m256i, weights: __m256i, four: __m256i) -> __m256i {
    let pairs = _mm256_madd_epi16(_mm256_maddubs_epi16(weights, four), _mm256_set1_epi16(1));
    _mm256_add_epi32(sum, pairs)
}

#[inline]
#[target_feature(enable = "avx2")]
fn add(all: __m256i, sums: &[[__m256i; 2]; FEWER_ROWS]) -> __m256i {
    sums.as_flattened().iter().fold(all, |all, one| _mm256_add_epi32(all, *one))
}

#[inline]
#[target_feature(enable = "avx2")]
fn total(all: __m256i) -> i32 {
    // SAFETY: Both are 32 bytes of plain numbers.
    let lanes: [i32; LANES] = unsafe { std::mem::transmute(all) };
    lanes.iter().fold(0, |sum, one| sum.wrapping_add(*one))
}

#[target_feature(enable = "avx512f")]
pub(super) fn read512(numbers: &[u64]) -> u64 {
    super::sum(numbers)
}

#[target_feature(enable = "avx2")]
pub(super) fn read256(numbers: &[u64]) -> u64 {
    super::sum(numbers)
}
