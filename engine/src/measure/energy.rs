use std::fs;
use std::path::{Path, PathBuf};

/// Where Linux says what the processors' packages have used (RAPL,
/// <https://docs.kernel.org/power/powercap/powercap.html>). Intel's name stands for AMD's, too.
const POWERCAP: &str = "/sys/class/powercap";
/// A zone of the processors: one package, of which zones with a further number are parts.
const ZONE: &str = "intel-rapl:";

/// Counts the energy of the processors' packages, where the machine says.
#[derive(Debug)]
pub struct Energy {
    zones: Vec<Zone>,
}

#[derive(Debug)]
struct Zone {
    counter: PathBuf,
    /// The counter begins again at zero beyond it.
    most: u64,
    last: u64,
    used: u64,
}

impl Energy {
    /// The counters of this machine, from zero. `None` where there are none, or only root may read them.
    #[must_use]
    pub fn open() -> Option<Self> {
        Self::of(Path::new(POWERCAP))
    }

    pub(super) fn of(folder: &Path) -> Option<Self> {
        let zones = fs::read_dir(folder).ok()?.filter_map(|entry| {
            let path = entry.ok()?.path();
            let number = path.file_name()?.to_str()?.strip_prefix(ZONE)?.to_owned();
            if number.contains(':') {
                return None;
            }
            let counter = path.join("energy_uj");
            let last = number_in(&counter)?;
            Some(Zone { most: number_in(&path.join("max_energy_range_uj"))?, counter, last, used: 0 })
        });
        let zones: Vec<Zone> = zones.collect();
        (!zones.is_empty()).then_some(Self { zones })
    }

    /// Joules since it was opened. A counter wraps within minutes on a large machine, so it is asked at least as often.
    pub fn joules(&mut self) -> f64 {
        for zone in &mut self.zones {
            let Some(now) = number_in(&zone.counter) else { continue };
            let more = if now >= zone.last { now - zone.last } else { zone.most - zone.last + now };
            zone.used += more;
            zone.last = now;
        }
        self.zones.iter().map(|zone| zone.used).sum::<u64>() as f64 / 1e6
    }
}

fn number_in(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}
