//! Which instructions the CPU has, chosen when the program runs.

#![expect(unsafe_code, reason = "functions that are compiled for instructions which a CPU may lack")]

/// A set of instructions that there is a kernel for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Isa(Kind);

/// Private, so that only [`Isa::available`] says that a CPU has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "aarch64")]
    I8mm,
    #[cfg(target_arch = "aarch64")]
    Dotprod,
    #[cfg(target_arch = "aarch64")]
    Neon,
    Portable,
}

impl Isa {
    /// The best of this CPU.
    pub(crate) fn best() -> Self {
        Self::available().next().unwrap_or(Self(Kind::Portable))
    }

    /// All of this CPU, the best first.
    pub(crate) fn available() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let fast = {
            let avx2 = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c");
            let avx512 = avx2
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vnni");
            [(avx512, Kind::Avx512), (avx2, Kind::Avx2)]
        };
        #[cfg(target_arch = "aarch64")]
        let fast = {
            let dotprod = std::arch::is_aarch64_feature_detected!("dotprod");
            let i8mm = dotprod && std::arch::is_aarch64_feature_detected!("i8mm");
            [(i8mm, Kind::I8mm), (dotprod, Kind::Dotprod), (true, Kind::Neon)]
        };
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let fast = [];
        fast.into_iter().chain([(true, Kind::Portable)]).filter(|(has, _)| *has).map(|(_, kind)| Self(kind))
    }

    /// Its name, for the log.
    pub(crate) const fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "AVX-512 VNNI",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "AVX2",
            #[cfg(target_arch = "aarch64")]
            Kind::I8mm => "NEON i8mm",
            #[cfg(target_arch = "aarch64")]
            Kind::Dotprod => "NEON dotprod",
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => "NEON",
            Kind::Portable => "portable",
        }
    }

    pub(super) const fn kind(self) -> Kind {
        self.0
    }
}

/// Compiles everything in `entries` for one instruction set.
macro_rules! entries {
    ($module:ident, $arch:ty $(, $features:literal)?) => {
        pub(super) mod $module {
            use std::ops::Range;

            use crate::kernels::cache::Cache;
            use crate::kernels::lanes;
            use crate::kernels::adapter::{self, Change, Delta};
            use crate::kernels::attention::{self, Attention, Block, Pair, Room, Row};
            use crate::kernels::panel::{self, Gate, Search, Work};
            use crate::kernels::peaks::Peak;
            use crate::kernels::rows;

            $(#[target_feature(enable = $features)])?
            pub(in crate::kernels) unsafe fn normalise(from: &[f32], weights: &[f32], epsilon: f32, to: &mut [f32]) {
                // SAFETY: The caller's promise.
                unsafe { lanes::normalise::<$arch>(from, weights, epsilon, to) };
            }

            $(#[target_feature(enable = $features)])?
            pub(in crate::kernels) unsafe fn quantise_normalised(from: &[f32], weights: &[f32], epsilon: f32, to: &mut [rows::Block]) {
                // SAFETY: The caller's promise.
                unsafe { lanes::quantise_normalised::<$arch>(from, weights, epsilon, to) };
            }

            $(#[target_feature(enable = $features)])?
            pub(in crate::kernels) unsafe fn add_normalised(from: &[f32], weights: &[f32], epsilon: f32, to: &mut [f32]) {
                // SAFETY: The caller's promise.
                unsafe { lanes::add_normalised::<$arch>(from, weights, epsilon, to) };
            }

            $(#[target_feature(enable = $features)])?
            pub(in crate::kernels) unsafe fn quantise(from: &[f32], to: &mut [rows::Block]) {
                // SAFETY: The caller's promise.
                unsafe { lanes::quantise::<$arch>(from, to) };
            }

            $(#[target_feature(enable = $features)])?
            pub(in crate::kernels) unsafe fn multiply(work: &Work<'_>, tiles: Range<usize>, rows: &Range<usize>) {
                // SAFETY: The caller's promise.
                unsafe { panel::multiply::<$arch>(work, tiles, rows) };
            }

            $(#[target_feature(enable = $features)])?
            pub(in crate::kernels) unsafe fn gate(gate: &Gate<'_>, tiles: Range<usize>, rows: &Range<usize>) {
                // SAFETY: The caller's promise.
                unsafe { panel::gate::<$arch>(gate, tiles, rows) };
            }

            $(#[target_feature(enable = $features)])?
            pub(in crate::kernels) unsafe fn peaks(search: &Search<'_>, tiles: Range<usize>, rows: &Range<usize>, own: &mut [Peak]) {
                // SAFETY: The caller's promise.
                unsafe { panel::peaks::<$arch>(search, tiles, rows, own) };
            }

            $(#[target_feature(enable = $features)])?
            pub(in crate::kernels) unsafe fn change(input: &[f32], delta: &Delta, change: Change<'_>, to: &mut [f32]) {
                // SAFETY: The caller's promise.
                unsafe { adapter::change::<$arch>(input, delta, change, to) };
            }

            $(#[target_feature(enable = $features)])?
            pub(in crate::kernels) unsafe fn remember(cache: &Cache, attention: &Attention<'_>, head: usize, pair: &Pair<'_>) {
                // SAFETY: The caller's promise.
                unsafe { attention::remember::<$arch>(cache, attention, head, pair) };
            }

            $(#[target_feature(enable = $features)])?
            pub(in crate::kernels) unsafe fn fetch(floats: &[f32]) {
                attention::fetch_floats::<$arch>(floats);
            }

            $(#[target_feature(enable = $features)])?
            pub(in crate::kernels) unsafe fn take(room: &mut Room, attention: &Attention<'_>, head_len: usize, row: &Row<'_>) {
                // SAFETY: The caller's promise.
                unsafe { attention::take::<$arch>(room, attention, head_len, row) };
            }

            $(#[target_feature(enable = $features)])?
            pub(in crate::kernels) unsafe fn attend(block: &Block<'_>, room: &mut Room, to: &mut [f32]) {
                // SAFETY: The caller's promise.
                unsafe { attention::attend::<$arch>(block, room, to) };
            }

            $(#[target_feature(enable = $features)])?
            pub(in crate::kernels) unsafe fn conclude(segments: &mut [f32], queries: usize, head_len: usize) {
                attention::conclude(segments, queries, head_len);
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
entries!(
    avx512,
    crate::kernels::avx512::Avx512,
    "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c"
);
#[cfg(target_arch = "x86_64")]
entries!(avx2, crate::kernels::avx2::Avx2, "avx2,fma,f16c");
#[cfg(target_arch = "aarch64")]
entries!(i8mm, crate::kernels::neon::Neon<crate::kernels::neon::I8mm>, "neon,dotprod,i8mm");
#[cfg(target_arch = "aarch64")]
entries!(dotprod, crate::kernels::neon::Neon<crate::kernels::neon::Dotprod>, "neon,dotprod");
#[cfg(target_arch = "aarch64")]
entries!(neon, crate::kernels::neon::Neon<crate::kernels::neon::Plain>, "neon");
entries!(portable, crate::kernels::portable::Portable);

/// Calls a function of `entries` as compiled for the instruction set. Besides that, whoever calls one that writes
/// through a shared pointer says why the place is its own.
macro_rules! call {
    ($isa:expr, $function:ident($($argument:expr),* $(,)?)) => {{
        #[expect(unsafe_code, reason = "the instruction set was found on this CPU")]
        // SAFETY: `Isa` is only made of what the CPU has; what is written is the caller's own, as it says.
        unsafe {
            match $isa.kind() {
                #[cfg(target_arch = "x86_64")]
                $crate::kernels::isa::Kind::Avx512 => $crate::kernels::isa::avx512::$function($($argument),*),
                #[cfg(target_arch = "x86_64")]
                $crate::kernels::isa::Kind::Avx2 => $crate::kernels::isa::avx2::$function($($argument),*),
                #[cfg(target_arch = "aarch64")]
                $crate::kernels::isa::Kind::I8mm => $crate::kernels::isa::i8mm::$function($($argument),*),
                #[cfg(target_arch = "aarch64")]
                $crate::kernels::isa::Kind::Dotprod => $crate::kernels::isa::dotprod::$function($($argument),*),
                #[cfg(target_arch = "aarch64")]
                $crate::kernels::isa::Kind::Neon => $crate::kernels::isa::neon::$function($($argument),*),
                $crate::kernels::isa::Kind::Portable => $crate::kernels::isa::portable::$function($($argument),*),
            }
        }
    }};
}
pub(super) use call;
