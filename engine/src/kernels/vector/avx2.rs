use std::arch::x86_64::{
    _MM_HINT_T0, _mm_loadl_epi64, _mm_prefetch, _mm256_and_ps, _mm256_cvtepi8_epi32, _mm256_cvtepi32_ps,
};

use super::Vector;
use crate::kernels::attention::{self, Bundle, Number, Sheet};
use crate::kernels::avx2::{Avx2, Pair};
use crate::kernels::lanes::LANES;

impl Vector for Avx2 {
    const SUMS: usize = 6;
    const QUERIES: usize = 6;
    const WIDENS: bool = true;

    #[inline(always)]
    unsafe fn load_bytes(from: &[i8; LANES]) -> Pair {
        // SAFETY: The caller's promise; the array has two vectors of eight bytes.
        unsafe {
            let low = _mm256_cvtepi8_epi32(_mm_loadl_epi64(from.as_ptr().cast()));
            let high = _mm256_cvtepi8_epi32(_mm_loadl_epi64(from.as_ptr().add(LANES / 2).cast()));
            Pair(_mm256_cvtepi32_ps(low), _mm256_cvtepi32_ps(high))
        }
    }

    #[inline(always)]
    unsafe fn and(a: Pair, b: Pair) -> Pair {
        // SAFETY: The caller's promise.
        unsafe { Pair(_mm256_and_ps(a.0, b.0), _mm256_and_ps(a.1, b.1)) }
    }

    #[inline(always)]
    fn fetch(line: *const u8) {
        // SAFETY: Every CPU of this architecture has it, and it takes any address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) };
    }

    #[inline(always)]
    unsafe fn over_page<T: Number, const N: usize>(sheet: &Sheet<'_, T>, bundle: &mut Bundle) {
        // SAFETY: The caller's promise.
        unsafe { over_page::<T, N>(sheet, bundle) }
    }
}

/// # Safety
/// The CPU has AVX2, FMA and F16C.
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn over_page<T: Number, const N: usize>(sheet: &Sheet<'_, T>, bundle: &mut Bundle) {
    // SAFETY: The caller's promise.
    unsafe { attention::over_page::<Avx2, T, N>(sheet, bundle) }
}
