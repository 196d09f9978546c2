//! What this machine can do at most: products of small integers from the cache next to the core, and bytes from memory.
//!
//! Neither loop does anything useful. They are what a kernel is held against: the products have their operands at hand
//! always, the bytes are read in order and only added. The instructions are the best that the CPU has and stable Rust can
//! say, whether a kernel of this engine uses them or not; AMX cannot be said yet.

#![expect(unsafe_code, reason = "instructions that a CPU may lack, and vectors loaded through pointers")]

use std::hint::black_box;

use canon::Fault;

use super::arena::{Arena, Lines};
use super::matrix::Line;
use super::pool::Pool;

#[cfg(target_arch = "aarch64")]
mod arm;
#[cfg(target_arch = "x86_64")]
mod x86;

/// Rows of activations that a tile takes.
const ROWS: usize = 8;
/// Rows of weights: two registers of AVX-512.
const COLUMNS: usize = 32;
/// Words of four numbers each, along which is summed. Weights and activations take ten kilobytes together.
const WORDS: usize = 64;
/// How often a task goes through its operands: some tens of microseconds with the fastest instructions.
const PASSES: usize = 256;
/// Tasks that each thread gets in one run of products, so that a slow thread delays the end by little.
const TASKS_PER_THREAD: usize = 64;
/// Bytes that one task reads.
const READ_BYTES: usize = 1 << 20;

/// The products of one pass over the operands.
const PASS_MACS: u64 = (ROWS * COLUMNS * WORDS * 4) as u64;

/// Threads, the best instructions, and something to work on.
pub(crate) struct Ceilings {
    pool: Pool,
    unit: Unit,
    /// In large pages, as weights are.
    buffer: Lines,
}

/// What multiplies small integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    #[cfg(target_arch = "x86_64")]
    Vnni512,
    #[cfg(target_arch = "x86_64")]
    Vnni256,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "aarch64")]
    I8mm,
    #[cfg(target_arch = "aarch64")]
    Dotprod,
    Portable,
}

/// What is multiplied: unsigned weights of four bits in bytes, and signed activations of three.
#[repr(C, align(64))]
struct Operands {
    weights: [[[u8; 4]; COLUMNS]; WORDS],
    rows: [[[i8; 4]; ROWS]; WORDS],
}

impl Operands {
    /// Numbers that a compiler does not know.
    fn new() -> Box<Self> {
        let mut operands =
            Box::new(Self { weights: [[[0; 4]; COLUMNS]; WORDS], rows: [[[0; 4]; ROWS]; WORDS] });
        for (at, weight) in operands.weights.as_flattened_mut().as_flattened_mut().iter_mut().enumerate() {
            *weight = black_box((at * 7 % 16) as u8);
        }
        for (at, number) in operands.rows.as_flattened_mut().as_flattened_mut().iter_mut().enumerate() {
            *number = black_box((at * 5 % 7) as i8 - 3);
        }
        operands
    }
}

impl Unit {
    /// All of this CPU, the best first.
    fn available() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let fast = {
            let wide = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni");
            let avx2 = is_x86_feature_detected!("avx2");
            let vnni = avx2 && is_x86_feature_detected!("avxvnni");
            [(wide, Self::Vnni512), (vnni, Self::Vnni256), (avx2, Self::Avx2)]
        };
        #[cfg(target_arch = "aarch64")]
        let fast = [
            (std::arch::is_aarch64_feature_detected!("i8mm"), Self::I8mm),
            (std::arch::is_aarch64_feature_detected!("dotprod"), Self::Dotprod),
        ];
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let fast = [];
        fast.into_iter().chain([(true, Self::Portable)]).filter(|(has, _)| *has).map(|(_, unit)| unit)
    }

    const fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Vnni512 => "AVX-512 VNNI",
            #[cfg(target_arch = "x86_64")]
            Self::Vnni256 => "AVX-VNNI",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "AVX2",
            #[cfg(target_arch = "aarch64")]
            Self::I8mm => "NEON i8mm",
            #[cfg(target_arch = "aarch64")]
            Self::Dotprod => "NEON dotprod",
            Self::Portable => "portable",
        }
    }

    /// The sum of all products of `passes` over the operands, wrapping.
    fn multiply(self, operands: &Operands, passes: usize) -> i32 {
        // SAFETY: A unit is only made of what the CPU has.
        unsafe {
            match self {
                #[cfg(target_arch = "x86_64")]
                Self::Vnni512 => x86::vnni512(operands, passes),
                #[cfg(target_arch = "x86_64")]
                Self::Vnni256 => x86::vnni256(operands, passes),
                #[cfg(target_arch = "x86_64")]
                Self::Avx2 => x86::avx2(operands, passes),
                #[cfg(target_arch = "aarch64")]
                Self::I8mm => arm::i8mm(operands, passes),
                #[cfg(target_arch = "aarch64")]
                Self::Dotprod => arm::dotprod(operands, passes),
                Self::Portable => portable(operands, passes),
            }
        }
    }

    /// The sum of all numbers, wrapping.
    fn read(self, numbers: &[u64]) -> u64 {
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: A unit is only made of what the CPU has.
            Self::Vnni512 => unsafe { x86::read512(numbers) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: As above.
            Self::Vnni256 | Self::Avx2 => unsafe { x86::read256(numbers) },
            _ => sum(numbers),
        }
    }
}

impl Ceilings {
    /// Starts the threads, and takes `bytes` of memory.
    ///
    /// # Errors
    /// The system has no thread, or no memory, to give.
    pub(crate) fn new(threads: usize, bytes: usize) -> Result<Self, Fault> {
        let mut pool = Pool::new(threads)?;
        let unit = Unit::available().next().unwrap_or(Unit::Portable);
        let mut buffer = Arena::default().lines(bytes.div_ceil(size_of::<Line>()))?;
        // Pages are a thread's own that wrote them first, which matters where memory is in several places.
        pool.split(&mut buffer, READ_BYTES / size_of::<Line>(), &|start, lines| {
            for (at, line) in lines.iter_mut().enumerate() {
                line.0 = [(start + at) as u8; size_of::<Line>()];
            }
        });
        Ok(Self { pool, unit, buffer })
    }

    /// The instructions that multiply.
    pub(crate) const fn instructions(&self) -> &'static str {
        self.unit.name()
    }

    /// Multiplies for some milliseconds on all threads; gives the number of products.
    pub(crate) fn multiply(&mut self) -> u64 {
        let (unit, tasks) = (self.unit, self.pool.threads() * TASKS_PER_THREAD);
        self.pool.run(tasks, &|_| {
            let operands = Operands::new();
            black_box(unit.multiply(black_box(&operands), PASSES));
        });
        (tasks * PASSES) as u64 * PASS_MACS
    }

    /// Reads all the memory once on all threads; gives the number of bytes.
    pub(crate) fn read(&mut self) -> u64 {
        let (unit, buffer) = (self.unit, &self.buffer);
        let pieces: Vec<&[Line]> = buffer.chunks(READ_BYTES / size_of::<Line>()).collect();
        self.pool.run(pieces.len(), &|task| {
            black_box(unit.read(numbers(pieces[task])));
        });
        size_of_val(&self.buffer[..]) as u64
    }
}

/// The numbers that lines hold.
const fn numbers(lines: &[Line]) -> &[u64] {
    // SAFETY: A line is eight numbers, and more aligned.
    unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), size_of_val(lines) / size_of::<u64>()) }
}

fn portable(operands: &Operands, passes: usize) -> i32 {
    let mut sums = [[0_i32; COLUMNS]; ROWS];
    for _ in 0..passes {
        for (weights, rows) in operands.weights.iter().zip(&operands.rows) {
            for (sums, four) in sums.iter_mut().zip(rows) {
                for (sum, weights) in sums.iter_mut().zip(weights) {
                    for (weight, number) in weights.iter().zip(four) {
                        *sum = sum.wrapping_add(i32::from(*weight) * i32::from(*number));
                    }
                }
            }
        }
    }
    sums.as_flattened().iter().fold(0, |sum, one| sum.wrapping_add(*one))
}

/// In lanes of eight registers, so that additions do not wait for one another.
#[inline(always)]
fn sum(numbers: &[u64]) -> u64 {
    let mut sums = [0_u64; 64];
    let (chunks, rest) = numbers.as_chunks::<64>();
    for chunk in chunks {
        for (sum, number) in sums.iter_mut().zip(chunk) {
            *sum = sum.wrapping_add(*number);
        }
    }
    sums.iter().chain(rest).fold(0, |sum, one| sum.wrapping_add(*one))
}

#[cfg(test)]
mod tests;
