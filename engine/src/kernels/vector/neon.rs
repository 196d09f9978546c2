use std::arch::aarch64::{
    vandq_u32, vcvtq_f32_s32, vget_high_s8, vget_high_s16, vget_low_s8, vget_low_s16, vld1q_s8, vmovl_s8,
    vmovl_s16, vreinterpretq_f32_u32, vreinterpretq_u32_f32,
};
use std::arch::asm;

use super::Vector;
use crate::kernels::attention::{self, Bundle, Number, Sheet};
use crate::kernels::lanes::LANES;
use crate::kernels::neon::{Four, Neon, Unit};

impl<U: Unit> Vector for Neon<U> {
    const SUMS: usize = 6;
    const QUERIES: usize = 6;
    const WIDENS: bool = true;

    #[inline(always)]
    unsafe fn load_bytes(from: &[i8; LANES]) -> Four {
        // SAFETY: Every CPU of this architecture has it; the array has the size of a vector.
        unsafe {
            let bytes = vld1q_s8(from.as_ptr());
            let (low, high) = (vmovl_s8(vget_low_s8(bytes)), vmovl_s8(vget_high_s8(bytes)));
            [
                vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))),
                vcvtq_f32_s32(vmovl_s16(vget_high_s16(low))),
                vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))),
                vcvtq_f32_s32(vmovl_s16(vget_high_s16(high))),
            ]
        }
    }

    #[inline(always)]
    unsafe fn and(a: Four, b: Four) -> Four {
        let mut both = a;
        for (both, b) in both.iter_mut().zip(b) {
            // SAFETY: As above.
            *both = unsafe {
                let bits = vandq_u32(vreinterpretq_u32_f32(*both), vreinterpretq_u32_f32(b));
                vreinterpretq_f32_u32(bits)
            };
        }
        both
    }

    #[inline(always)]
    fn fetch(line: *const u8) {
        // SAFETY: It takes any address and changes nothing.
        unsafe {
            asm!("prfm pldl1keep, [{0}]", in(reg) line, options(nostack, readonly, preserves_flags));
        }
    }

    #[inline(always)]
    unsafe fn over_page<T: Number, const N: usize>(sheet: &Sheet<'_, T>, bundle: &mut Bundle) {
        // SAFETY: The caller's promise.
        unsafe { over_page::<T, N>(sheet, bundle) }
    }
}

/// # Safety
/// Every CPU of this architecture has NEON, so there is one for all that multiplies integers.
#[inline(never)]
unsafe fn over_page<T: Number, const N: usize>(sheet: &Sheet<'_, T>, bundle: &mut Bundle) {
    // SAFETY: The caller's promise.
    unsafe { attention::over_page::<Neon<crate::kernels::neon::Plain>, T, N>(sheet, bundle) }
}
