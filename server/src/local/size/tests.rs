use super::*;

#[test]
fn a_size_is_read_as_people_write_it() {
    for (text, bytes) in [
        ("1", 1),
        ("4096", 4096),
        ("512MiB", 512 << 20),
        ("512 mib", 512 << 20),
        ("6.5GB", 6_500_000_000),
        ("8G", 8 << 30),
        ("300M", 300 << 20),
        ("1.5gib", 3 << 29),
        ("2TiB", 2 << 40),
        ("10b", 10),
    ] {
        assert_eq!(parse(text), Ok(bytes), "{text}");
    }
}

#[test]
fn what_is_no_size_is_refused() {
    for text in ["", "GiB", "-1", "1e3", "inf", "NaN", "lots", "8 bananas", "0", "99999999TiB", "+1", "1.2.3"]
    {
        assert!(parse(text).unwrap_err().contains("512MiB"), "{text}");
    }
}

#[test]
fn a_size_is_shown_to_three_digits() {
    for (bytes, text) in [
        (7, "7 B"),
        (1 << 10, "1.00 KiB"),
        (98_362_432, "93.8 MiB"),
        (500 << 20, "500 MiB"),
        (3 << 29, "1.50 GiB"),
        ((10 << 30) - 1, "10.0 GiB"),
    ] {
        assert_eq!(show(bytes), text);
    }
}
