//! Long work shows how far it is: a bar with an estimate on a terminal, a line now and then elsewhere.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a log, as opposed to a terminal, hears of the work.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// The progress of one step.
pub(crate) struct Progress {
    title: String,
    unit: &'static str,
    total: usize,
    done: usize,
    /// Done before this process went on with it: no part of the estimate.
    earlier: usize,
    started: Instant,
    last_line: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// `total` counts `unit`s, such as `questions`.
    pub(crate) fn new(title: impl Into<String>, total: usize, unit: &'static str) -> Self {
        let title = title.into();
        let now = Instant::now();
        let bar = std::io::stderr()
            .is_terminal()
            .then(|| bar(&title, total, unit));
        Self {
            title,
            unit,
            total,
            done: 0,
            earlier: 0,
            started: now,
            last_line: now,
            bar,
        }
    }

    /// Says that the first `done` were done in an earlier run.
    pub(crate) fn resume(&mut self, done: usize) {
        self.done = done;
        self.earlier = done;
        if let Some(bar) = &self.bar {
            bar.set_position(done as u64);
            bar.reset_eta();
        }
    }

    /// Says that `more` are done; `note` is shown beside.
    pub(crate) fn advance(&mut self, more: usize, note: &str) {
        self.done += more;
        match &self.bar {
            Some(bar) => {
                bar.inc(more as u64);
                bar.set_message(note.to_owned());
            }
            None if self.last_line.elapsed() >= LINE_EVERY => {
                self.last_line = Instant::now();
                let left = humantime(self.left());
                eprintln!(
                    "  {}: {} of {} {}, {left} left {note}",
                    self.title, self.done, self.total, self.unit
                );
            }
            None => {}
        }
    }

    /// An estimate of the time that is left, from this process's pace.
    fn left(&self) -> Duration {
        let here = (self.done - self.earlier).max(1) as f64;
        self.started
            .elapsed()
            .mul_f64((self.total.saturating_sub(self.done)) as f64 / here)
    }

    /// Ends with one line that stays.
    pub(crate) fn finish(self, note: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let took = humantime(self.started.elapsed());
        eprintln!(
            "  {}: {} {} in {took}{note}",
            self.title, self.done, self.unit
        );
    }
}

fn bar(title: &str, total: usize, unit: &'static str) -> ProgressBar {
    let template =
        format!("  {{prefix}} {{wide_bar}} {{pos}}/{{len}} {unit}, {{eta}} left {{msg}}");
    let style =
        ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(total as u64)
        .with_style(style)
        .with_prefix(title.to_owned());
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

/// `4.2 s`, `3 min 20 s`, `2 h 5 min`.
pub(crate) fn humantime(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// The most memory that this process has held, where the system says so (Linux), in MiB.
pub(crate) fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well() {
        assert_eq!(humantime(Duration::from_millis(4_230)), "4.2 s");
        assert_eq!(humantime(Duration::from_secs(200)), "3 min 20 s");
        assert_eq!(humantime(Duration::from_mins(125)), "2 h 5 min");
    }
}
