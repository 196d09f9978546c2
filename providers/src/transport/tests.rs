use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};

use super::{chain, is_timeout};

/// An error as the layers of an HTTP client wrap one.
#[derive(Debug)]
struct Layer(&'static str, Option<Box<dyn Error>>);

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Layer {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.1.as_deref()
    }
}

fn layered(cause: io::Error) -> Layer {
    Layer("client error (Connect)", Some(Box::new(Layer("tcp connect error", Some(Box::new(cause))))))
}

#[test]
fn a_connection_that_took_too_long_is_told_from_one_that_was_refused() {
    let elapsed = layered(io::Error::new(ErrorKind::TimedOut, "deadline has elapsed"));
    assert!(is_timeout(&elapsed));
    assert_eq!(chain(&elapsed), "client error (Connect): tcp connect error: deadline has elapsed");
    assert!(!is_timeout(&layered(ErrorKind::ConnectionRefused.into())));
    assert!(!is_timeout(&Layer("nothing more is known", None)));
}
