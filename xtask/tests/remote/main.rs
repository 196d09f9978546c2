//! The remote backend, live: an Outcrop before other servers, and what becomes of each thing that can go wrong with
//! them. What the callers see is held to the pages in `docs/errors`, and the receipts to what the callers saw.
//!
//! It needs the built product, its default model and the Python clients, so that `cargo test` by itself passes it over,
//! aloud; `cargo xtask test` provides them. llama.cpp's server is optional: `cargo xtask test --only peers` installs it.

mod call;
mod chain;
mod failures;
mod hostile;
mod llama;
mod pages;
mod product;
mod receipts;
mod reload;

use std::path::PathBuf;
use std::process::Command;

use product::Product;

/// The id under which every front serves the model of the Python cases.
const MODEL: &str = "huggingfacetb.smollm2-135m-instruct-v1:0";

/// The built product, and a folder for the data of those that run in `test`.
fn given(test: &str) -> Option<(PathBuf, PathBuf)> {
    let Some(binary) = std::env::var_os(xtask::clients::BINARY).map(PathBuf::from) else {
        pass_over("the built product; run `cargo xtask test --only remote`");
        return None;
    };
    let folder = std::env::temp_dir().join(format!("outcrop-remote-{test}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    Some((binary, folder))
}

#[expect(clippy::print_stderr, reason = "what was not tested is said aloud")]
fn pass_over(needed: &str) {
    eprintln!("passed over: it needs {needed}");
}

/// Runs cases of `clients/python` against `front`; what they print is shown where one fails.
fn python(front: &Product, module: &str, cases: &[&str]) {
    let python = xtask::target().join("clients/python/bin/python");
    let suite = xtask::root().join("clients/python/suite.py");
    let mut command = Command::new(&python);
    command.arg(suite).arg(module).args(cases).envs([
        ("OUTCROP_URL", format!("http://{}", front.address)),
        ("OUTCROP_DIR", front.data.display().to_string()),
        (xtask::clients::BINARY, front.binary.display().to_string()),
        ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("NO_PROXY", "127.0.0.1,localhost".to_owned()),
        ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
    ]);
    if let Err(said) = xtask::run::quietly(&mut command) {
        panic!("{module}: {said}\n(`cargo xtask test --only sdks` installs the Python clients)");
    }
}
