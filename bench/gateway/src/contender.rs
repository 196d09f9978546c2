use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{Process, free_address};

/// What stands between the load and the upstream.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) process: Process,
    /// The calls that it takes, as `load` names them.
    pub(crate) calls: &'static [&'static str],
    /// The data folder whose key the load presents.
    pub(crate) data_dir: Option<PathBuf>,
    /// Headers that every call carries.
    pub(crate) headers: Vec<String>,
}

/// The bare proxy.
pub(crate) fn proxy(folder: &Path, upstream: SocketAddr) -> io::Result<Contender> {
    let address = free_address()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["proxy", "--listen", &address.to_string(), "--to", &upstream.to_string()]);
    let process = Process::start(command, address, &folder.join("proxy.log"))?;
    let calls = &["chat", "chat-stream"];
    Ok(Contender { name: "bare proxy", process, calls, data_dir: None, headers: Vec::new() })
}

/// The product, with everything on.
pub(crate) fn outcrop(folder: &Path, upstream: SocketAddr) -> io::Result<Contender> {
    let address = free_address()?;
    let (data_dir, estate) = (folder.join("data"), folder.join("estate.toml"));
    let text = format!(
        "[[provider]]\nname = \"upstream\"\nkind = \"openai\"\nbase_url = \"http://{upstream}/v1\"\n\n\
         [[deployment]]\nmodel = \"bench.upstream-v1:0\"\nprovider = \"upstream\"\nupstream_model = \"upstream\"\n"
    );
    std::fs::write(&estate, text)?;
    let mut command = Command::new(product()?);
    command.args(["up", "--no-default-model", "--listen", &address.to_string(), "--data-dir"]).arg(&data_dir);
    command.arg("--estate").arg(&estate);
    let process = Process::start(command, address, &folder.join("outcrop.log"))?;
    let calls = &["chat", "chat-stream", "converse", "converse-stream"];
    Ok(Contender { name: "Outcrop", process, calls, data_dir: Some(data_dir), headers: Vec::new() })
}

/// The product's release build, which lies two folders above this bench's own.
fn product() -> io::Result<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/release/outcrop");
    if path.is_file() {
        return Ok(path);
    }
    Err(io::Error::other("there is no release build of outcrop; run: cargo build --release"))
}
