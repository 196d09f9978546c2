use super::{Ceilings, Operands, READ_BYTES, Unit};

/// What is timed is the same work everywhere.
#[test]
fn every_unit_multiplies_the_same_numbers() {
    let operands = Operands::new();
    let expected = Unit::Portable.multiply(&operands, 3);
    assert_ne!(expected, 0);
    for unit in Unit::available() {
        assert_eq!(unit.multiply(&operands, 3), expected, "{}", unit.name());
    }
}

#[test]
fn every_unit_reads_every_number() {
    let numbers: Vec<u64> = (0..1000).collect();
    for unit in Unit::available() {
        assert_eq!(unit.read(&numbers), 999 * 500, "{}", unit.name());
    }
}

#[test]
fn all_threads_together_do_what_is_counted() {
    let mut ceilings = Ceilings::new(3, 3 * READ_BYTES + 100).unwrap();
    assert!(ceilings.multiply() > 1_000_000);
    assert_eq!(ceilings.read(), (3 * READ_BYTES as u64 + 100).next_multiple_of(64));
}
