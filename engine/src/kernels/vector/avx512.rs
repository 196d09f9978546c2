use std::arch::x86_64::{__m512, _mm_loadu_si128, _mm512_and_ps, _mm512_cvtepi8_epi32, _mm512_cvtepi32_ps};

use super::Vector;
use crate::kernels::ahead;
use crate::kernels::attention::{self, Bundle, Number, Sheet};
use crate::kernels::avx512::Avx512;
use crate::kernels::lanes::LANES;

impl Vector for Avx512 {
    const SUMS: usize = 24;
    const QUERIES: usize = 12;
    const WIDENS: bool = false;

    #[inline(always)]
    unsafe fn load_bytes(from: &[i8; LANES]) -> __m512 {
        // SAFETY: The caller's promise; the array has the size of a quarter of a vector.
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from.as_ptr().cast()))) }
    }

    #[inline(always)]
    unsafe fn and(a: __m512, b: __m512) -> __m512 {
        // SAFETY: The caller's promise.
        unsafe { _mm512_and_ps(a, b) }
    }

    #[inline(always)]
    fn fetch(line: *const u8) {
        // To the second cache, to which more can be on its way at a time than to the first.
        ahead::fetch(line.cast());
    }

    #[inline(always)]
    unsafe fn over_page<T: Number, const N: usize>(sheet: &Sheet<'_, T>, bundle: &mut Bundle) {
        // SAFETY: The caller's promise.
        unsafe { over_page::<T, N>(sheet, bundle) }
    }
}

/// # Safety
/// The CPU has AVX-512.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
unsafe fn over_page<T: Number, const N: usize>(sheet: &Sheet<'_, T>, bundle: &mut Bundle) {
    // SAFETY: The caller's promise.
    unsafe { attention::over_page::<Avx512, T, N>(sheet, bundle) }
}
