//! What a person at the terminal reads: help, errors and what to do about them, held by golden files.

use std::path::Path;
use std::process::{Command, Stdio};

/// Runs `outcrop ARGUMENTS` in a bare environment and compares what it says with `tests/golden/NAME.txt`, which
/// `cargo xtask bless` writes.
fn check(name: &str, arguments: &[&str], environment: &[(&str, &str)]) {
    let home = tempfile::tempdir().expect("a folder");
    let output = Command::new(env!("CARGO_BIN_EXE_outcrop"))
        .args(arguments)
        .env_clear()
        .env("HOME", home.path())
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    let text = |bytes: &[u8]| {
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        assert!(!text.contains('\x1b'), "colours in a pipe: {text}");
        let lines: String = text.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        lines
            .replace(home.path().to_str().expect("a path"), "HOME")
            .replace(env!("CARGO_PKG_VERSION"), "VERSION")
    };
    let code = output.status.code().expect("an exit code");
    let actual = format!(
        "$ outcrop {}\n{}--- stderr\n{}--- exit {code}\n",
        arguments.join(" "),
        text(&output.stdout),
        text(&output.stderr)
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.txt"));
    if std::env::var_os("BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, &actual).expect("write the golden file");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == actual, "{name} differs (run `cargo xtask bless` if it should):\n{actual}");
}

/// Nobody listens on port 1, so that nothing outside is reached.
const CUT_OFF: (&str, &str) = ("HTTPS_PROXY", "http://127.0.0.1:1");

#[test]
fn help_teaches() {
    check("help", &["--help"], &[]);
    for command in ["up", "pull", "chat", "models", "usage", "keys", "audit", "explain", "completions"] {
        check(&format!("help-{command}"), &[command, "--help"], &[]);
    }
    check("help-keys-create", &["keys", "create", "--help"], &[]);
    check("help-models-load", &["models", "load", "--help"], &[]);
    check("help-audit-verify", &["audit", "verify", "--help"], &[]);
}

#[test]
fn a_command_line_that_is_wrong_is_refused_with_64() {
    check("wrong-nothing", &[], &[]);
    check("wrong-command", &["modles"], &[]);
    check("wrong-listen", &["up", "--listen", "here"], &[]);
    check("wrong-estate", &["up", "--no-default-model"], &[]);
    check("wrong-size", &["up", "--model-memory-max", "lots"], &[]);
    check("wrong-span", &["usage", "--since", "yesterday"], &[]);
    check("wrong-code", &["explain", "throttle"], &[]);
    check("wrong-model", &["pull", "gpt-2"], &[]);
    check("wrong-log", &["pull", "--list", "--log", "a=b=c"], &[]);
    check("wrong-variable", &["up"], &[("OUTCROP_GRACE_S", "soon")]);
}

#[test]
fn what_is_not_there_is_said_with_what_to_do() {
    check("absent-server", &["chat", "Hello?"], &[]);
    check(
        "absent-server-elsewhere",
        &["models", "--endpoint", "http://127.0.0.1:1"],
        &[("OUTCROP_API_KEY", "ABSK")],
    );
    check("absent-server-to-load", &["models", "load", "smollm2"], &[]);
    check("absent-records", &["usage"], &[]);
    check("absent-audit", &["audit", "verify"], &[]);
    check("absent-prompt", &["chat"], &[]);
    check("absent-sources", &["pull"], &[CUT_OFF]);
}

#[test]
fn what_needs_no_server_is_shown() {
    check("version", &["--version"], &[]);
    check("known-models", &["pull", "--list"], &[]);
    check("faults", &["explain"], &[]);
}

#[test]
fn a_page_is_shown_as_it_is() {
    let output = Command::new(env!("CARGO_BIN_EXE_outcrop")).args(["explain", "Throttled"]).output().unwrap();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/errors/throttled.md");
    assert_eq!(output.stdout, std::fs::read(page).unwrap());
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_outcrop"))
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
