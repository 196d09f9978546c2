use super::{base64, packed};

#[test]
fn bits_are_packed_as_numpys_packbits_does() {
    // numpy.packbits(numpy.array([.1, -.1, 0, 2, -3, .5, .5, -1, 1]) > 0)
    assert_eq!(packed(&[0.1, -0.1, 0.0, 2.0, -3.0, 0.5, 0.5, -1.0, 1.0]), [0b1001_0110, 0b1000_0000]);
    assert!(packed(&[]).is_empty());
}

#[test]
fn floats_in_base64_are_what_openais_sdk_reads_with_numpy() {
    // base64.b64encode(numpy.array([1, -0.5], dtype="float32").tobytes())
    assert_eq!(base64(&[1.0, -0.5]), "AACAPwAAAL8=");
}
