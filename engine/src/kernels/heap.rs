//! Gives memory back to the system.
//!
//! glibc keeps what is freed for the next that asks: its threshold above which memory comes from the system directly, and
//! goes back to it, rises with the largest buffer that was ever freed, to 32 MiB. Weights and pages of keys and values
//! lie below that, so that a model that was let go would still count as this process's memory. Measured after 14 loads of
//! SmolLM2-135M in turn: 570 MB stayed with nothing loaded.

#![cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(unsafe_code, reason = "the system's allocator is asked for something that Rust has no word for")
)]

#[cfg(all(target_os = "linux", target_env = "gnu"))]
use core::ffi::c_int;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
unsafe extern "C" {
    /// `mallopt(3)`: 1 where the option was taken.
    fn mallopt(option: c_int, value: c_int) -> c_int;
    /// `malloc_trim(3)`: 1 where anything was given back.
    fn malloc_trim(pad: usize) -> c_int;
}

/// `M_MMAP_THRESHOLD` of malloc.h: larger buffers come from the system and go back to it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MMAP_THRESHOLD: c_int = -3;
/// A page of keys and values is larger, and so is all but the smallest of a model's tensors.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE_BYTES_MIN: c_int = 512 << 10;
/// `M_TRIM_THRESHOLD` of malloc.h: so much may lie free at the end of a heap.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const TRIM_THRESHOLD: c_int = -1;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const FREE_BYTES_MAX: c_int = 4 << 20;

/// From now on large buffers go back to the system as soon as they are freed. For a program to say once, at its start.
pub fn return_large_buffers() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: It changes two numbers of the allocator's, under its lock; what is allocated stays where it is.
    unsafe {
        mallopt(MMAP_THRESHOLD, LARGE_BYTES_MIN);
        mallopt(TRIM_THRESHOLD, FREE_BYTES_MAX);
    }
}

/// Gives what was freed back to the system, small things too. Takes milliseconds, and is worth them after much was freed.
pub fn give_memory_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: It takes the allocator's own locks, touches nothing that is in use, and may be called at any time.
    unsafe {
        malloc_trim(0);
    }
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests;
