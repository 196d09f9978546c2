use canon::Fault;

use super::{ITEMS_MAX, MEMBERS_MAX, Node, read};

/// Reads `{"name": "…", "count": n, "list": [{"type": "a"}, …]}`.
fn shape(body: &str) -> Result<(), Fault> {
    let node = read(body.as_bytes())?;
    let mut object = node.object()?;
    object.need("name", Node::string)?;
    object.maybe("count", Node::positive)?;
    object.maybe("list", |list| {
        list.each(|node| {
            let (tag, item) = node.tagged()?;
            if tag == "a" { item.end() } else { Err(node.malformed(format_args!("no such type: {tag}"))) }
        })
    })?;
    object.end()
}

fn check(body: &str, code: &str, message: &str) {
    let fault = shape(body).expect_err("should fail");
    assert_eq!((fault.kind().code(), fault.message()), (code, message), "{body}");
}

#[test]
fn a_fault_names_the_member() {
    check("[]", "malformed", "expected an object");
    check("{}", "malformed", "name: this member is required");
    check(r#"{"name":null}"#, "malformed", "name: this member is required");
    check(r#"{"name":1}"#, "malformed", "name: expected a string");
    check(r#"{"name":"a","count":0}"#, "malformed", "count: must be at least 1");
    check(r#"{"name":"a","count":1.5}"#, "malformed", "count: expected a whole number, 0 or more");
    check(r#"{"name":"a","list":{}}"#, "malformed", "list: expected an array");
    check(r#"{"name":"a","list":[{"type":"a"},{}]}"#, "malformed", "list[1].type: this member is required");
    check(r#"{"name":"a","list":[{"type":"b"}]}"#, "malformed", "list[0]: no such type: b");
    check(r#"{"name":"a","name":"b"}"#, "malformed", "the member `name` is given twice");
}

#[test]
fn what_nobody_took_is_refused_by_name() {
    let remedy = "this member is not supported; leave it out";
    check(r#"{"name":"a","x":1}"#, "unsupported", &format!("x: {remedy}"));
    check(r#"{"name":"a","list":[{"type":"a","x":1}]}"#, "unsupported", &format!("list[0].x: {remedy}"));
}

#[test]
fn null_is_absence_and_whole_numbers_may_be_written_as_floats() {
    shape(r#"{"name":"a","count":null,"x":null}"#).unwrap();
    shape(r#"{"n\u0061me":"a","count":3.0}"#).unwrap();
}

#[test]
fn objects_and_arrays_are_bounded() {
    let members: String = (0..=MEMBERS_MAX).map(|n| format!(r#","m{n}":0"#)).collect();
    check(&format!("{{{}}}", &members[1..]), "malformed", &format!("has more than {MEMBERS_MAX} members"));
    let items = "0,".repeat(ITEMS_MAX);
    let problem = format!("list: has more than {ITEMS_MAX} elements");
    check(&format!(r#"{{"name":"a","list":[{items}0]}}"#), "malformed", &problem);
}
