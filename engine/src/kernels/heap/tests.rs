use super::{give_memory_back, return_large_buffers};

fn held_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn what_was_freed_is_given_back() {
    return_large_buffers();
    // A large buffer that is freed would teach the allocator to keep smaller ones.
    drop(vec![1_u8; 31 << 20]);
    for bytes in [1 << 20, 1 << 12] {
        let mut buffers: Vec<Vec<u8>> = (0..(512 << 20) / bytes).map(|_| vec![1; bytes]).collect();
        // Something small stays behind, so that the heap cannot simply shrink.
        let behind: Vec<Vec<u8>> = (0..64).map(|_| vec![1; 1000]).collect();
        let full = held_kb();
        buffers.clear();
        if bytes < 1 << 20 {
            give_memory_back();
        }
        let after = held_kb();
        // Other tests take memory meanwhile, but not so much.
        assert!(after + (256 << 10) < full, "pieces of {bytes}: {full} kB before, {after} kB after");
        drop(behind);
    }
}
