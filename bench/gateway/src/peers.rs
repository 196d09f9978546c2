//! Other gateways, from their registries, in a cache under `target/`.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::contender::Contender;
use crate::process::{Process, free_address};

/// Starts one peer before an upstream.
pub(crate) type Start = fn(&Path, SocketAddr) -> io::Result<Contender>;

const LITELLM: &str = "litellm[proxy]==1.105.0";
/// LiteLLM does not start without a key of some strength. It guards nothing here.
const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef";
const PORTKEY: &str = "@portkey-ai/gateway@1.15.2";

pub(crate) fn litellm(folder: &Path, upstream: SocketAddr) -> io::Result<Contender> {
    let venv = cache()?.join("litellm");
    if !venv.join("bin/litellm").is_file() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
        run(Command::new(venv.join("bin/pip")).args(["install", "--quiet", LITELLM]))?;
    }
    let config = folder.join("litellm.yaml");
    let text = format!(
        "model_list:\n  - model_name: bench.upstream-v1:0\n    litellm_params:\n      model: openai/upstream\n      \
         api_base: http://{upstream}/v1\n      api_key: none\n"
    );
    std::fs::write(&config, text)?;
    let address = free_address()?;
    let mut command = Command::new(venv.join("bin/litellm"));
    command.args(["--host", "127.0.0.1", "--port", &address.port().to_string(), "--config"]).arg(&config);
    command.env("LITELLM_LOCAL_MODEL_COST_MAP", "True").env("LITELLM_LOG", "ERROR");
    command.env("LITELLM_MASTER_KEY", format!("sk-{KEY}"));
    let process = Process::start(command, address, &folder.join("litellm.log"))?;
    Ok(Contender {
        name: "LiteLLM",
        process,
        calls: &["chat", "chat-stream"],
        data_dir: None,
        headers: vec![format!("authorization: Bearer sk-{KEY}")],
    })
}

pub(crate) fn portkey(folder: &Path, upstream: SocketAddr) -> io::Result<Contender> {
    let place = cache()?.join("portkey");
    let server = place.join("node_modules/@portkey-ai/gateway/build/start-server.js");
    if !server.is_file() {
        std::fs::create_dir_all(&place)?;
        run(Command::new("npm").args(["install", "--silent", "--prefix"]).arg(&place).arg(PORTKEY))?;
    }
    let address = free_address()?;
    let mut command = Command::new("node");
    command.arg(server).arg(format!("--port={}", address.port())).arg("--headless");
    command.env("NODE_ENV", "production").env("TRUSTED_CUSTOM_HOSTS", "127.0.0.1,localhost");
    let process = Process::start(command, address, &folder.join("portkey.log"))?;
    let headers = vec![
        "x-portkey-provider: openai".to_owned(),
        format!("x-portkey-custom-host: http://{upstream}/v1"),
        "authorization: Bearer none".to_owned(),
    ];
    Ok(Contender { name: "Portkey", process, calls: &["chat", "chat-stream"], data_dir: None, headers })
}

fn cache() -> io::Result<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench/peers");
    std::fs::create_dir_all(&path)?;
    path.canonicalize()
}

fn run(command: &mut Command) -> io::Result<()> {
    let done = command.stdin(Stdio::null()).output()?;
    if done.status.success() {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&done.stderr).into_owned()))
}
