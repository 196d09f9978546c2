//! The real clients' cases, each a test. They need the built product and the clients' SDKs, so that `cargo test` by
//! itself passes them over, aloud; `cargo xtask test` provides both.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use libtest_mimic::{Arguments, Trial};
use xtask::clients::{BINARY, CLIENTS, Process, Server};

#[expect(clippy::print_stderr, reason = "a harness's own faults go to standard error")]
fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Cases measure when deltas arrive, so they must not compete with one another.
    arguments.test_threads = Some(1);
    let Some(binary) = std::env::var_os(BINARY).map(PathBuf::from) else {
        let passed_over = |name| Trial::test(name, || Ok(())).with_ignored_flag(true);
        let trials = CLIENTS.iter().map(|client| passed_over(client.name)).collect();
        return libtest_mimic::run(&arguments, trials).exit_code();
    };
    match run(&arguments, &binary) {
        Ok(code) => code,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, binary: &Path) -> Result<ExitCode, String> {
    let server = Arc::new(Mutex::new(Some(Server::start(binary)?)));
    let mut trials = Vec::new();
    for client in CLIENTS {
        let process = match server.lock().map_err(|error| error.to_string())?.as_ref() {
            Some(server) => Process::start(client, server)?,
            None => continue,
        };
        let cases = process.cases.clone();
        let process = Arc::new(Mutex::new(process));
        trials.extend(cases.into_iter().map(|case| {
            let process = Arc::clone(&process);
            Trial::test(format!("{}::{case}", client.name), move || {
                Ok(process.lock().map_err(|error| error.to_string())?.run(&case)?)
            })
        }));
    }
    // The last trial, because trials run in this order.
    let running = Arc::clone(&server);
    let stop = move || {
        let server = running.lock().map_err(|error| error.to_string())?.take();
        Ok(server.map_or(Ok(()), Server::stop)?)
    };
    trials.push(Trial::test("outcrop::drains_and_stops_when_it_is_told", stop));
    let conclusion = libtest_mimic::run(arguments, trials);
    // It is kept until here, because a filter drops the trial that would have stopped it.
    drop(server);
    Ok(conclusion.exit_code())
}
