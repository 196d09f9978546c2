/// What a caller presented: the request line, the headers as received, and the body.
///
/// Header names are in lower case and headers in wire order. Over HTTP/2 the server presents the pseudo-header
/// `:authority` under that name, because some clients sign it, and as `host` too where the client sent none.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// The method, in upper case.
    pub method: &'a str,
    /// The path, raw as on the wire: a signature covers its spelling, so it is never decoded or tidied first.
    pub path: &'a str,
    /// The query, raw, without its `?`; empty where there is none.
    pub query: &'a str,
    /// Names in lower case and values as received.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The whole body.
    pub body: &'a [u8],
}

impl<'a> Presented<'a> {
    /// Every value of the header `name`, in wire order.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.headers.iter().filter(move |(header, _)| *header == name).map(|(_, value)| *value)
    }

    /// The value of a header that may come once: `Err` where it comes more often.
    pub(crate) fn only(&self, name: &str) -> Result<Option<&'a [u8]>, Repeated> {
        let mut values = self.values(name);
        let first = values.next();
        if values.next().is_some() { Err(Repeated) } else { Ok(first) }
    }
}

/// A header that may come once came more often.
pub(crate) struct Repeated;
