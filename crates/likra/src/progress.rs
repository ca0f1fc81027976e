//! Shows the news of long work: a bar with an estimate on a terminal, a line now and then elsewhere.

use std::cell::RefCell;
use std::fmt::Display;
use std::io::{self, ErrorKind, Write as _};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressStyle};
use likra_experiment::{Base, Event};
use likra_report::humantime;

/// Prints a line for people on the standard error. That nobody reads it is no reason to stop.
macro_rules! say {
    ($($words:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($words)*);
    }};
}
pub(crate) use say;

/// Prints a result on the standard output.
pub(crate) fn print(result: &dyn Display) -> Result<()> {
    let mut out = io::stdout().lock();
    let written = write!(out, "{result}").and_then(|()| out.flush());
    written.context("standard output")
}

/// Whether somebody reads on, as after this attempt to write: behind `head` nobody does after some lines.
pub(crate) fn is_read(written: io::Result<()>) -> Result<bool> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true).context("standard output"),
    }
}

/// Warns of what is longer than the model can run, and says what becomes of it.
pub(crate) fn warn_of_long(what: &str, base: &Base, becomes: &str, count: usize) {
    let positions = base.config.max_positions;
    if count > 0 {
        say!("Warning: {what} longer than the model's {positions} positions, {becomes}: {count}");
    }
}

/// How often a log, as opposed to a terminal, hears of the work.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// A piece of work that goes on: what is counted, the bar that counts it, and when a line was last
/// printed. The bar is drawn if there is a terminal.
struct Piece(&'static str, ProgressBar, Instant);

/// Who hears of work and shows how it goes on.
pub(crate) fn listener() -> impl Fn(Event) {
    let current = RefCell::new(None);
    move |event| show(&mut current.borrow_mut(), event)
}

fn show(current: &mut Option<Piece>, event: Event) {
    match (event, current.as_mut()) {
        (Event::Begun(title, total, unit), _) => {
            let template =
                format!("  {{prefix}} {{wide_bar}} {{pos}}/{{len}} {unit}, {{eta}} left {{msg}}");
            let style = ProgressStyle::with_template(&template);
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(total as u64).with_style(style);
            *current = Some(Piece(unit, bar.with_prefix(title), Instant::now()));
        }
        (Event::Resumed(done), Some(Piece(_, bar, _))) => {
            // What was done before is no part of the estimate.
            bar.set_position(done as u64);
            bar.reset_elapsed();
        }
        (Event::Advanced(more, note), Some(Piece(unit, bar, last_line))) => {
            bar.inc(more as u64);
            if bar.is_hidden() && last_line.elapsed() >= LINE_EVERY {
                *last_line = Instant::now();
                let (done, total) = (bar.position(), bar.length().unwrap_or_default());
                let (title, left) = (bar.prefix(), humantime(bar.eta()));
                say!("  {title}: {done} of {total} {unit}, {left} left {note}");
            }
            bar.set_message(note);
        }
        // Ends with one line that stays.
        (Event::Ended(note), Some(Piece(unit, bar, _))) => {
            let (title, done, took) = (bar.prefix(), bar.position(), humantime(bar.elapsed()));
            bar.finish_and_clear();
            say!("  {title}: {done} {unit} in {took}{note}");
            *current = None;
        }
        (Event::Said(line), _) => say!("  {line}"),
        (_, None) => {}
    }
}
