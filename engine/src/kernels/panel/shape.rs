//! The forms of weights as kernels are compiled for them, each for one to six rows.

use super::{ROWS, TILES};
use crate::kernels::arch::Arch;
use crate::kernels::lanes::Lanes;
use crate::kernels::matrix::Tiles;
use crate::kernels::rows::Block;
use crate::kernels::whole;
use crate::quant::Form;

/// A [`Form`], known when compiled.
pub(in super::super) trait Shape {
    const FORM: Form;
    /// Whether its scales and minimums are [`whole`].
    const WHOLE: bool = whole::is(Self::FORM);
}

macro_rules! shapes {
    ($($name:ident: $bits:literal bits, groups of $len:literal, offset $offset:literal, minimums $min:literal, half $half:literal;)*) => {
        $(struct $name;
        impl Shape for $name {
            const FORM: Form = Form { group_len: $len, bits: $bits, offset: $offset, has_minimums: $min, half_scales: $half };
        })*

        /// The kernels of a form.
        fn kernels<A: Arch>(form: Form) -> ByRows {
            match form {
                $($name::FORM => ByRows {
                    one: A::products::<$name, 1>,
                    two: A::products::<$name, 2>,
                    three: A::products::<$name, 3>,
                    four: A::products::<$name, 4>,
                    five: A::products::<$name, 5>,
                    six: A::products::<$name, ROWS>,
                },)*
                form => unreachable!("{form:?} has no kernel"),
            }
        }
    };
}

shapes! {
    FourBits: 4 bits, groups of 32, offset 8, minimums false, half true;
    FourBitsWithMinimums: 4 bits, groups of 32, offset 0, minimums true, half true;
    FourBitsWhole: 4 bits, groups of 32, offset 8, minimums true, half true;
    FiveBits: 8 bits, groups of 32, offset 16, minimums false, half true;
    FiveBitsWithMinimums: 8 bits, groups of 32, offset 0, minimums true, half true;
    EightBits: 8 bits, groups of 32, offset 128, minimums false, half true;
    EightBitsK: 8 bits, groups of 32, offset 128, minimums false, half false;
    FourBitsK: 4 bits, groups of 32, offset 0, minimums true, half false;
    FiveBitsK: 8 bits, groups of 32, offset 0, minimums true, half false;
    SixBitsK: 8 bits, groups of 16, offset 32, minimums false, half false;
}

/// [`Arch::products`] of a form, for so many rows.
pub(super) type Kernel<const R: usize> = unsafe fn(&Tiles<'_>, &[&[Block]; R], usize) -> [[Lanes; R]; TILES];

/// By how many rows they take together.
pub(super) struct ByRows {
    pub(super) one: Kernel<1>,
    pub(super) two: Kernel<2>,
    pub(super) three: Kernel<3>,
    pub(super) four: Kernel<4>,
    pub(super) five: Kernel<5>,
    pub(super) six: Kernel<ROWS>,
}

/// Those of a form, and of what it is where scales are whole.
pub(super) struct ByScales {
    pub(super) plain: ByRows,
    pub(super) whole: ByRows,
}

impl ByScales {
    pub(super) fn of<A: Arch>(form: Form) -> Self {
        Self { plain: kernels::<A>(form), whole: kernels::<A>(whole::form_of(form).unwrap_or(form)) }
    }
}
