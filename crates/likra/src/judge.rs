//! `likra judge`: how good answers are, by the two heads of a judge.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Write as _};

use anyhow::{Context as _, Result};
use likra_experiment::{Event, Judge};
use likra_judge::{Interval, Judgement, Performance, Question};
use likra_tokenizer::Request;

use crate::cli::JudgeArgs;
use crate::progress::{is_read, listener, say};

/// How much is read ahead, so that lines that are there already are judged together.
const AHEAD: usize = 1 << 20;

/// Judges a file's questions, line by line.
pub(crate) fn run(arguments: &JudgeArgs) -> Result<()> {
    let show = listener();
    let judge = arguments.judge.open(&show)?;
    let path = arguments.file.as_path();
    let at = || path.display().to_string();
    let (mut input, mut total): (Box<dyn Read>, _) = (Box::new(io::stdin()), 0);
    if path.as_os_str() != "-" {
        let open = || File::open(path).with_context(at);
        input = Box::new(open()?);
        // What is no plain file, such as a pipe, can be read but once.
        if path.is_file() {
            total = BufReader::new(open()?).lines().count();
        }
    }
    let tell = |event| {
        if total > 0 {
            show(event);
        }
    };
    tell(Event::Begun("judge".into(), total, "questions"));
    let mut reader = Lines {
        reader: BufReader::with_capacity(AHEAD, input),
        judge: &judge,
        line: 0,
    };
    let mut judged: Vec<(Judgement, Vec<bool>)> = Vec::new();
    let mut lone = 0;
    loop {
        let (questions, requests) = reader.next().with_context(at)?;
        if questions.is_empty() {
            break;
        }
        let found = judge.judge(requests, &|_| ())?;
        if !written(&found)? {
            return Ok(());
        }
        tell(Event::Advanced(questions.len(), String::new()));
        let has_one = |one: &&Question| one.label.is_some() && one.answers.len() == 1;
        lone += questions.iter().filter(has_one).count();
        let known = questions.iter().zip(found);
        judged.extend(known.filter_map(|(question, found)| {
            let (label, places) = (question.label?, 0..question.answers.len());
            Some((found, places.map(|place| place == label).collect()))
        }));
    }
    tell(Event::Ended(String::new()));
    if lone > 0 {
        say!("{lone} labelled prompts have one answer, which says nothing: they are not counted");
    }
    if let Some(performance) = Performance::of(&judged) {
        say!("{}", table(&performance));
    }
    Ok(())
}

/// Writes a line for each judgement; false if nobody reads them any more, such as behind `head`.
fn written(judgements: &[Judgement]) -> Result<bool> {
    let mut lines = String::new();
    for judgement in judgements {
        lines += &serde_json::to_string(judgement)?;
        lines.push('\n');
    }
    let mut out = io::stdout().lock();
    is_read(out.write_all(lines.as_bytes()).and_then(|()| out.flush()))
}

/// `66.7 [50.0, 80.0]`, of shares.
pub(crate) fn percent(interval: Interval) -> String {
    let [value, low, high] = interval.map(|share| 100.0 * share);
    format!("{value:.1} [{low:.1}, {high:.1}]")
}

/// How well a judge does, in words.
pub(crate) fn table(performance: &Performance) -> String {
    let number = |[value, low, high]: Interval| format!("{value:.3} [{low:.3}, {high:.3}]");
    format!(
        "{} prompts: the best answer is a good one in {} percent\n\
         AUROC {}, Brier score {}, calibration error {} (95% intervals)",
        performance.prompts,
        percent(performance.accuracy),
        number(performance.auroc),
        number(performance.brier),
        number(performance.calibration_error)
    )
}

/// A file's questions, as many at a time as run together.
struct Lines<'a> {
    reader: BufReader<Box<dyn Read>>,
    judge: &'a Judge,
    line: usize,
}

impl Lines<'_> {
    /// The next questions: until there are enough tokens for a pass, or the next line would have to be waited for.
    fn next(&mut self) -> Result<(Vec<Question>, Vec<Request>)> {
        let (mut questions, mut requests, mut tokens) = (Vec::new(), Vec::new(), 0);
        let mut text = String::new();
        while tokens < self.judge.base.placement.batch_tokens {
            text.clear();
            self.line += 1;
            let at = || format!("line {}", self.line);
            if self.reader.read_line(&mut text).with_context(at)? == 0 {
                break;
            }
            if !text.trim().is_empty() {
                let line = text.strip_prefix('\u{feff}').unwrap_or(&text);
                let question: Question = serde_json::from_str(line).with_context(at)?;
                let request = self.judge.request(&question).with_context(at)?;
                let candidates = request.candidates.iter();
                tokens += candidates
                    .map(|one| one.encoded.tokens.len())
                    .sum::<usize>();
                questions.push(question);
                requests.push(request);
            }
            if self.reader.buffer().is_empty() && !questions.is_empty() {
                break;
            }
        }
        Ok((questions, requests))
    }
}
