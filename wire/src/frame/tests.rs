use aws_smithy_eventstream::frame::{read_message_from, write_message_to};
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use aws_smithy_types::{DateTime, str_bytes::StrBytes};
use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::decode::Broken;
use super::{Decoder, Frame, Padding, write};

fn text(value: &str) -> HeaderValue {
    HeaderValue::String(StrBytes::from(value.to_owned()))
}

fn ours(headers: &[(&str, &str)], payload: &str) -> BytesMut {
    let mut out = BytesMut::new();
    write(&mut out, headers, &payload);
    out
}

fn drain(decoder: &mut Decoder) -> Result<Vec<Frame>, Broken> {
    std::iter::from_fn(|| decoder.next().transpose()).collect()
}

proptest! {
    #[test]
    fn what_we_write_amazons_own_reader_reads(name in "[:a-z-]{1,20}", value in ".{0,40}", payload in ".{0,200}") {
        let bytes = ours(&[(&name, &value)], &payload);
        let message = read_message_from(&mut bytes.freeze()).expect("readable");
        let headers = message.headers().iter().map(|h| (h.name().as_str(), h.value())).collect::<Vec<_>>();
        let expected = text(&value);
        prop_assert_eq!(headers, vec![(name.as_str(), &expected)]);
        prop_assert_eq!(message.payload().as_ref(), serde_json::to_vec(&payload).expect("json"));
    }

    #[test]
    fn what_amazons_own_writer_writes_we_read_however_it_is_split(
        payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 1..5),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut bytes = Vec::new();
        for payload in &payloads {
            let message = Message::new(Bytes::from(payload.clone()))
                .add_header(Header::new("flag", HeaderValue::Bool(true)))
                .add_header(Header::new("byte", HeaderValue::Byte(1)))
                .add_header(Header::new("short", HeaderValue::Int16(1)))
                .add_header(Header::new("int", HeaderValue::Int32(1)))
                .add_header(Header::new("long", HeaderValue::Int64(1)))
                .add_header(Header::new("bytes", HeaderValue::ByteArray(Bytes::from_static(b"abc"))))
                .add_header(Header::new("when", HeaderValue::Timestamp(DateTime::from_secs(7))))
                .add_header(Header::new("id", HeaderValue::Uuid(99)))
                .add_header(Header::new(":event-type", text("chunk")));
            write_message_to(&message, &mut bytes).expect("writable");
        }
        let mut cuts = cuts.iter().map(|cut| cut.index(bytes.len())).collect::<Vec<_>>();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut decoder = Decoder::default();
        let mut frames = Vec::new();
        for pair in cuts.windows(2) {
            decoder.push(&bytes[pair[0]..pair[1]]);
            frames.extend(drain(&mut decoder).expect("whole"));
        }
        prop_assert!(decoder.is_empty());
        let read = frames.iter().map(|frame| frame.payload.to_vec()).collect::<Vec<_>>();
        prop_assert_eq!(read, payloads);
        prop_assert!(frames.iter().all(|frame| frame.header(":event-type") == Some("chunk")));
    }

    #[test]
    fn a_flipped_bit_is_found(at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let mut bytes = ours(&[(":event-type", "chunk"), (":message-type", "event")], "some words");
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let mut decoder = Decoder::default();
        decoder.push(&bytes);
        prop_assert!(drain(&mut decoder).is_err());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut decoder = Decoder::default();
        decoder.push(&bytes);
        drop(drain(&mut decoder));
    }
}

#[test]
fn lengths_that_lie_are_refused_at_once() {
    let prelude = |total: u32, headers: u32| {
        let mut bytes = [total.to_be_bytes(), headers.to_be_bytes()].concat();
        let sum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&sum.to_be_bytes());
        let mut decoder = Decoder::default();
        decoder.push(&bytes);
        decoder.next()
    };
    assert_eq!(prelude(u32::MAX, 0), Err(Broken::Length));
    assert_eq!(prelude(100, u32::MAX), Err(Broken::Length));
    assert_eq!(prelude(15, 0), Err(Broken::Length));
    assert_eq!(prelude(20, 5), Err(Broken::Length));
    assert_eq!(prelude(20, 4), Ok(None));
}

#[test]
fn padding_varies_within_a_stream_and_between_streams() {
    let lengths = |id| {
        let mut padding = Padding::new(id);
        (0..200).map(|_| padding.next().len()).collect::<Vec<_>>()
    };
    let first = lengths("6a3e2c1f-0f6e-4a5b-9d7a-1c2b3d4e5f60");
    assert_ne!(first, lengths("6a3e2c1f-0f6e-4a5b-9d7a-1c2b3d4e5f61"));
    let distinct = first.iter().collect::<std::collections::BTreeSet<_>>();
    assert!(distinct.len() > 40 && first.iter().all(|len| (1..=62).contains(len)), "{first:?}");
}
