use super::authority::Issued;
use canon::Secret;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

const PUBLIC: u32 = 0o644;
const PRIVATE: u32 = 0o600;

/// The folder with the four files.
#[derive(Debug)]
pub(super) struct Files {
    dir: PathBuf,
}

impl Files {
    /// Makes the folder if need be.
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o755).create(dir).map_err(|error| at(dir, &error))?;
        Ok(Self { dir: dir.to_owned() })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// What is there, if all of it is there. That it fits together is not known yet.
    pub(super) fn read(&self) -> io::Result<Option<Issued>> {
        let read = |name| match fs::read(self.dir.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(at(&self.dir.join(name), &error)),
        };
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let (ca, ca_key, cert, key) =
            (read("ca.pem")?, read("ca-key.pem")?, read("cert.pem")?, read("key.pem")?);
        // The leaf can be made again from the authority, so only the authority is needed here.
        let (Some(ca), Some(ca_key)) = (ca, ca_key) else { return Ok(None) };
        Ok(Some(Issued {
            ca: text(ca),
            ca_key: Secret::new(ca_key),
            cert: cert.map(text).unwrap_or_default(),
            key: Secret::new(key.unwrap_or_default()),
        }))
    }

    /// Replaces what is there. Each file is replaced as a whole; if we are killed between two of them they do not fit,
    /// which the next start notices.
    pub(super) fn write(&self, issued: &Issued) -> io::Result<()> {
        for (name, bytes, mode) in [
            ("ca-key.pem", issued.ca_key.expose(), PRIVATE),
            ("ca.pem", issued.ca.as_bytes(), PUBLIC),
            ("key.pem", issued.key.expose(), PRIVATE),
            ("cert.pem", issued.cert.as_bytes(), PUBLIC),
        ] {
            let path = self.dir.join(name);
            self.replace(&path, bytes, mode).map_err(|error| at(&path, &error))?;
        }
        File::open(&self.dir)?.sync_all()
    }

    fn replace(&self, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
        let fresh = path.with_extension("pem.new");
        // One that an earlier start left behind could have another mode.
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    }
}

fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
