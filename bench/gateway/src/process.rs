use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a contender may take until it listens; a Python one imports for a while.
const LISTEN_S: u64 = 120;
/// The kernel's clock ticks a second, as `/proc/PID/stat` counts them on every Linux that this runs on.
const TICKS_PER_S: f64 = 100.0;

/// A process of the bench, and those that it started; killed with this value.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Process {
    /// Starts `command`, whose output goes to `log`, and waits until something listens on `address`.
    pub(crate) fn start(mut command: Command, address: SocketAddr, log: &Path) -> io::Result<Self> {
        let output = File::create(log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let mut process = Self { child: command.spawn()?, address };
        let deadline = Instant::now() + Duration::from_secs(LISTEN_S);
        while TcpStream::connect(address).is_err() {
            if let Some(status) = process.child.try_wait()? {
                return Err(io::Error::other(format!("ended with {status}; see {}", log.display())));
            }
            if Instant::now() > deadline {
                return Err(io::Error::other(format!("does not listen; see {}", log.display())));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(process)
    }

    /// Processor time so far, in seconds, of the process and of its living children.
    pub(crate) fn cpu_s(&self) -> f64 {
        self.family().iter().map(|pid| cpu_s(*pid).unwrap_or(0.0)).sum()
    }

    /// Resident memory in MiB, of the process and of its living children.
    pub(crate) fn resident_mib(&self) -> f64 {
        self.family().iter().map(|pid| resident_mib(*pid).unwrap_or(0.0)).sum()
    }

    fn family(&self) -> Vec<u32> {
        let mut family = vec![self.child.id()];
        let mut next = 0;
        while let Some(pid) = family.get(next) {
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
            family.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
            next += 1;
        }
        family
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        for pid in self.family().iter().rev() {
            // The shell's own `kill`: a small system has no program of that name.
            let kill = format!("kill -KILL {pid}");
            drop(Command::new("sh").args(["-c", &kill]).stderr(Stdio::null()).status());
        }
        drop(self.child.wait());
    }
}

/// An address that nothing listens on.
pub(crate) fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

fn cpu_s(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold spaces; the fields after it are counted from its closing bracket. 14 and 15 are user and system.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks / TICKS_PER_S)
}

fn resident_mib(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}
