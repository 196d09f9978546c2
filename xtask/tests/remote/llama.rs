//! An Outcrop before llama.cpp's server, as PyPI has it, with the same model file as the embedded engine.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::product::Product;
use crate::{MODEL, given, pass_over, python};

/// How long llama.cpp's server may take until it listens.
const READY: Duration = Duration::from_secs(60);

/// The server; it ends with this.
struct Llama(Child);

impl Drop for Llama {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn all_three_families_use_llama_cpps_server_through_an_outcrop() {
    let Some((binary, folder)) = given("llama") else { return };
    let server = xtask::peers::python();
    if !server.is_file() {
        pass_over("llama.cpp's server; `cargo xtask test --only peers` installs it");
        return;
    }
    let pulled = xtask::run::quietly(Command::new(&binary).args(["pull"])).expect("the model is there");
    let model = pulled.lines().find_map(|line| Some(&line[line.find('/')?..line.find(".gguf")? + 5]));
    let model = model.unwrap_or_else(|| panic!("`outcrop pull` names no file: {pulled}"));

    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let address = free.expect("a port is free");
    let log = fs::File::create(folder.join("llama.log")).expect("a log can be made");
    let mut command = Command::new(server);
    command
        .args([
            "-m",
            "llama_cpp.server",
            "--host",
            "127.0.0.1",
            "--n_ctx",
            "2048",
            "--model",
            model,
            "--port",
        ])
        .arg(address.port().to_string())
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a file can be shared"))
        .stderr(log);
    let _llama = Llama(command.spawn().expect("the server can be started"));
    let deadline = Instant::now() + READY;
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < deadline, "llama.cpp's server does not listen; see {}", folder.display());
        thread::sleep(Duration::from_millis(100));
    }

    let file = folder.join("estate.toml");
    let estate = format!(
        "[[provider]]\nname = \"llama\"\nkind = \"openai\"\nbase_url = \"http://{address}/v1\"\n\
         dialect = \"llama-cpp-python\"\n\
         [[deployment]]\nmodel = \"{MODEL}\"\nprovider = \"llama\"\nupstream_model = \"smollm2\"\n"
    );
    fs::write(&file, estate).expect("a file can be written");
    let front = Product::before(&binary, &folder.join("front"), &file);
    python(&front, "before_llama", &["all"]);
    front.stop();
    fs::remove_dir_all(&folder).expect("the folder can be removed");
}
