//! Shows the news of long work: a bar with an estimate on a terminal, a line now and then elsewhere.

use std::cell::RefCell;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use likra_experiment::Event;
use likra_report::humantime;

/// How often a log, as opposed to a terminal, hears of the work.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// Shows the work that goes on.
#[derive(Default)]
pub(crate) struct Progress(RefCell<Option<Piece>>);

/// A piece of work that goes on.
struct Piece {
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
    /// Shows an event.
    pub(crate) fn show(&self, event: Event) {
        let mut current = self.0.borrow_mut();
        match (event, current.as_mut()) {
            (Event::Begun { title, total, unit }, _) => {
                *current = Some(Piece::new(title, total, unit));
            }
            (Event::Resumed(done), Some(piece)) => piece.resume(done),
            (Event::Advanced { more, note }, Some(piece)) => piece.advance(more, &note),
            (Event::Ended { note }, Some(_)) => {
                if let Some(piece) = current.take() {
                    piece.end(&note);
                }
            }
            (Event::Said(line), _) => eprintln!("  {line}"),
            (_, None) => {}
        }
    }
}

impl Piece {
    fn new(title: String, total: usize, unit: &'static str) -> Self {
        let now = Instant::now();
        let is_terminal = std::io::stderr().is_terminal();
        let bar = is_terminal.then(|| bar(&title, total, unit));
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

    fn resume(&mut self, done: usize) {
        self.done = done;
        self.earlier = done;
        self.started = Instant::now();
        if let Some(bar) = &self.bar {
            bar.set_position(done as u64);
            bar.reset_eta();
        }
    }

    fn advance(&mut self, more: usize, note: &str) {
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
        let left = self.total.saturating_sub(self.done) as f64;
        self.started.elapsed().mul_f64(left / here)
    }

    /// Ends with one line that stays.
    fn end(self, note: &str) {
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

fn bar(title: &str, total: usize, unit: &str) -> ProgressBar {
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
