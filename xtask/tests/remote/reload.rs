//! SIGHUP: an estate that is wrong changes nothing, and one that is right changes what can be called.

use std::fs;
use std::process::Command;

use crate::call::Surface;
use crate::product::Product;
use crate::{given, hostile};

#[test]
fn a_broken_estate_keeps_the_old_one_and_a_good_one_takes_its_place() {
    let Some((binary, folder)) = given("reload") else { return };
    let server = hostile::start();
    let file = folder.join("estate.toml");
    let provider =
        format!("[[provider]]\nname = \"rack\"\nkind = \"openai\"\nbase_url = \"http://{server}/v1\"\n");
    let estate = |model: &str, more: &str| {
        format!(
            "{provider}[[deployment]]\nmodel = \"acme.{model}-v1:0\"\nprovider = \"rack\"\n\
             upstream_model = \"good\"\n{more}"
        )
    };
    fs::write(&file, estate("one", "")).expect("a file can be written");
    let front = Product::before(&binary, &folder.join("front"), &file);
    let status = |model: &str| {
        Surface::Chat.ask((&front.address, &front.api_key), &format!("acme.{model}-v1:0"), 8, false).status
    };
    assert_eq!((status("one"), status("two")), (200, 404));

    // Each is wrong in another way; the log names line, key and remedy.
    let broken = [
        (
            estate("two", "calls_mx = 4\n"),
            vec!["estate.toml:9:1", "deployment.calls_mx", "Did you mean calls_max?"],
        ),
        (
            estate("two", "").replace("http://", "ftp://"),
            vec!["estate.toml:4:12", "provider.base_url", "http://127.0.0.1:8000/v1"],
        ),
        (
            estate("two", "").replace("\"rack\"\nup", "\"rock\"\nup"),
            vec!["estate.toml:7:12", "deployment.provider", "rack"],
        ),
        (estate("two", "\n[[deployment"), vec!["estate.toml:", "TOML", "docs/reference/estate.md"]),
        (provider.clone(), vec!["nothing to serve", "--estate"]),
    ];
    for (text, words) in broken {
        fs::write(&file, text).expect("a file can be written");
        front.hang_up();
        let line = front.logged(&[words.as_slice(), &["ERROR", "the old one stays"]].concat());
        assert_eq!((status("one"), status("two")), (200, 404), "after {line}");
    }

    fs::write(&file, estate("two", "")).expect("a file can be written");
    front.hang_up();
    front.logged(&["estate reloaded"]);
    assert_eq!((status("one"), status("two")), (404, 200));

    // What a reload refuses, a start refuses too, with the exit code of a wrong usage.
    fs::write(&file, estate("two", "calls_mx = 4\n")).expect("a file can be written");
    let mut start = Command::new(&binary);
    let data = folder.join("other").to_string_lossy().into_owned();
    start.args(["--data-dir", &data, "up", "--listen", "127.0.0.1:0", "--no-default-model", "--estate"]);
    let refused = start.arg(&file).output().expect("it can be started");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(64), "{said}");
    assert!(said.contains("estate.toml:9:1") && said.contains("Did you mean calls_max?"), "{said}");
    front.stop();
    fs::remove_dir_all(&folder).expect("the folder can be removed");
}
