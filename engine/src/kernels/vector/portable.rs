use super::Vector;
use crate::kernels::attention::{self, Bundle, Number, Sheet};
use crate::kernels::lanes::{LANES, Lanes};
use crate::kernels::portable::Portable;

impl Vector for Portable {
    // As on 64-bit ARM, where sixteen floats take four of thirty-two registers.
    const SUMS: usize = 6;
    const QUERIES: usize = 6;
    const WIDENS: bool = true;

    #[inline(always)]
    unsafe fn load_bytes(from: &[i8; LANES]) -> Lanes {
        from.map(f32::from)
    }

    #[inline(always)]
    unsafe fn and(a: Lanes, b: Lanes) -> Lanes {
        std::array::from_fn(|lane| f32::from_bits(a[lane].to_bits() & b[lane].to_bits()))
    }

    #[inline(always)]
    fn fetch(_: *const u8) {}

    #[inline(always)]
    unsafe fn over_page<T: Number, const N: usize>(sheet: &Sheet<'_, T>, bundle: &mut Bundle) {
        // SAFETY: The caller's promise.
        unsafe { attention::over_page::<Self, T, N>(sheet, bundle) }
    }
}
