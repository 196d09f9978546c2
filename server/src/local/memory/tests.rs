use super::*;

#[test]
fn a_part_of_the_machine_is_for_models() {
    let bytes = models_bytes_max();
    assert!((64 << 20..1 << 50).contains(&bytes), "{bytes}");
}

#[test]
fn a_group_may_take_the_least_of_what_it_and_those_above_it_may() {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("a/memory.max", "4096\n");
    write("a/b/memory.max", "max\n");
    write("a/b/c/memory.max", "8192\n");
    write("memory/d/memory.limit_in_bytes", "1024\n");
    let limit = |line| smallest_limit(root.path(), line);
    assert_eq!(limit("0::/a/b/c"), Some(4096));
    assert_eq!(limit("0::/a/b"), Some(4096));
    assert_eq!(limit("0::/"), None);
    assert_eq!(limit("4:cpu,memory:/d"), Some(1024));
    assert_eq!(limit("4:cpu:/d"), None);
    assert_eq!(limit("nonsense"), None);
    // The host's path, seen from inside a container.
    write("memory.max", "2048");
    assert_eq!(limit("0::/docker/0123"), Some(2048));
}

#[test]
#[cfg(target_os = "linux")]
fn what_this_process_holds_grows_with_what_it_touches() {
    let before = held_bytes().unwrap();
    let much = vec![1_u8; 64 << 20];
    let after = held_bytes().unwrap();
    assert!(after >= before + (60 << 20), "{before} {after}");
    drop(much);
}
