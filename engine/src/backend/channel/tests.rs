use std::time::Duration;

use canon::{Event, Finish, Kind, StopReason, Usage};

use super::channel;
use crate::fixture::next;

fn text(index: u32, text: &str) -> Event {
    Event::Text { index, text: text.to_owned() }
}

fn finish() -> Event {
    Event::Finish(Finish::new(StopReason::EndTurn, Usage::default()))
}

#[test]
fn deltas_that_wait_are_joined_within_their_block() {
    let (sender, mut receiver) = channel();
    sender.send(vec![text(0, "a"), text(0, "b"), text(1, "c")]);
    sender.send(vec![text(1, "d"), Event::BlockStop { index: 1 }, text(1, "e"), finish()]);
    for expected in [text(0, "ab"), text(1, "cd"), Event::BlockStop { index: 1 }, text(1, "e"), finish()] {
        assert_eq!(next(&mut receiver), Some(Ok(expected)));
    }
    assert_eq!(next(&mut receiver), None);
}

#[test]
fn a_reader_that_waits_is_woken() {
    let (sender, mut receiver) = channel();
    let writer = std::thread::spawn(move || {
        for _ in 0..50 {
            std::thread::sleep(Duration::from_millis(1));
            sender.send(vec![text(0, "a")]);
        }
        sender.send(vec![finish()]);
    });
    let mut all = String::new();
    while let Some(Ok(Event::Text { text, .. })) = next(&mut receiver) {
        all.push_str(&text);
    }
    writer.join().unwrap();
    assert_eq!(all.len(), 50);
}

#[test]
fn a_sender_that_is_gone_before_the_end_is_a_fault() {
    let (sender, mut receiver) = channel();
    sender.send(vec![text(0, "a")]);
    drop(sender);
    assert_eq!(next(&mut receiver), Some(Ok(text(0, "a"))));
    assert_eq!(*next(&mut receiver).unwrap().unwrap_err().kind(), Kind::Internal);
    assert_eq!(next(&mut receiver), None);
}

#[test]
fn nothing_comes_after_the_end() {
    let (sender, mut receiver) = channel();
    sender.send(vec![finish()]);
    sender.fail(canon::Fault::internal("late"));
    drop(sender);
    assert_eq!(next(&mut receiver), Some(Ok(finish())));
    assert_eq!(next(&mut receiver), None);
}

#[test]
fn dropping_the_reader_gives_the_answer_up() {
    let (sender, receiver) = channel();
    assert!(!sender.given_up());
    drop(receiver);
    assert!(sender.given_up());
    sender.send(vec![finish()]);
}
