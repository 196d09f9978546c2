use super::{Form, decode};
use crate::gguf::TensorType;

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn every_type_decodes_as_the_reference_decodes_it() {
    let mut seen = std::collections::HashSet::new();
    for line in include_str!("golden.txt").lines() {
        let [name, block, expected] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let kind = TensorType::ALL.into_iter().find(|kind| format!("{kind:?}") == name).unwrap();
        let (block, expected) = (from_hex(block), from_hex(expected));
        let mut numbers = vec![f32::NAN; expected.len() / 4];
        decode(kind, &block, &mut numbers);
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        // Equal numbers: the reference makes a negative zero of a negative scale and a zero, we may not.
        let reference = expected.as_chunks().0.iter().map(|word| f32::from_le_bytes(*word));
        assert!(bytes == expected || reference.eq(numbers), "{name}");
        seen.insert(kind);
    }
    let missing: Vec<_> = TensorType::ALL.into_iter().filter(|kind| !seen.contains(kind)).collect();
    assert_eq!(missing, [TensorType::F32]);
}

#[test]
fn thirty_two_bit_numbers_are_themselves() {
    let mut numbers = [0.0; 2];
    decode(TensorType::F32, &[1.5f32.to_le_bytes(), (-3e-9f32).to_le_bytes()].concat(), &mut numbers);
    assert_eq!(numbers, [1.5, -3e-9]);
}

#[test]
fn only_quantised_types_have_a_form() {
    for kind in TensorType::ALL {
        assert_eq!(Form::of(kind).is_some(), kind.block_len() > 1, "{kind:?}");
    }
}
