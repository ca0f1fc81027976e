//! `likra judge`: how good answers are, by the two heads of a judge.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Write as _};

use anyhow::{Context as _, Result};
use likra_experiment::{Event, Format, Judge};
use likra_judge::{Interval, Judgement, Performance, Question};
use likra_tokenizer::Request;

use crate::cli::JudgeArgs;
use crate::progress::{listener, say};

/// How much is read ahead, so that lines that are there already are judged together.
const AHEAD: usize = 1 << 20;

/// Judges a file's questions, line by line.
pub(crate) fn run(arguments: &JudgeArgs) -> Result<()> {
    let show = listener();
    let judge = arguments.judge.open(&show)?;
    let format = judge.format()?;
    let (path, mut total) = (arguments.file.as_path(), 0);
    let is_standard = path.as_os_str() == "-";
    let input: Box<dyn Read> = if is_standard {
        Box::new(io::stdin())
    } else {
        let count =
            || -> io::Result<usize> { Ok(BufReader::new(File::open(path)?).lines().count()) };
        total = count().with_context(|| path.display().to_string())?;
        Box::new(File::open(path)?)
    };
    if total > 0 {
        show(Event::Begun("judge".into(), total, "questions"));
    }
    let mut reader = Lines::new(BufReader::with_capacity(AHEAD, input), &judge, &format);
    let mut judged: Vec<(Judgement, Vec<bool>)> = Vec::new();
    loop {
        let (questions, requests) = reader.next().with_context(|| path.display().to_string())?;
        if questions.is_empty() {
            break;
        }
        let found = judge.judge(requests, &|_| ())?;
        if !written(&found)? {
            return Ok(());
        }
        if total > 0 {
            show(Event::Advanced(questions.len(), String::new()));
        }
        judged.extend(
            questions
                .into_iter()
                .zip(found)
                .filter_map(|(question, found)| {
                    let label = question.label?;
                    Some((
                        found,
                        (0..question.answers.len())
                            .map(|place| place == label)
                            .collect(),
                    ))
                }),
        );
    }
    if total > 0 {
        show(Event::Ended(String::new()));
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
    match out.write_all(lines.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        done => done.map(|()| true).context("standard output"),
    }
}

/// How well a judge does, in words.
pub(crate) fn table(performance: &Performance) -> String {
    let percent = |[value, low, high]: Interval| {
        format!(
            "{:.1} [{:.1}, {:.1}]",
            100.0 * value,
            100.0 * low,
            100.0 * high
        )
    };
    let number = |[value, low, high]: Interval| format!("{value:.3} [{low:.3}, {high:.3}]");
    let Performance {
        prompts,
        accuracy,
        auroc,
        brier,
        calibration_error,
    } = *performance;
    format!(
        "{prompts} prompts: the best answer is a good one in {} percent\n\
         AUROC {}, Brier score {}, calibration error {} (95% intervals)",
        percent(accuracy),
        number(auroc),
        number(brier),
        number(calibration_error)
    )
}

/// A file's questions, as many at a time as run together.
struct Lines<'a> {
    reader: BufReader<Box<dyn Read>>,
    judge: &'a Judge,
    format: &'a Format,
    line: usize,
}

impl<'a> Lines<'a> {
    fn new(reader: BufReader<Box<dyn Read>>, judge: &'a Judge, format: &'a Format) -> Self {
        Self {
            reader,
            judge,
            format,
            line: 0,
        }
    }

    /// The next questions: until there are enough tokens for a pass, or the next line would have to be waited for.
    fn next(&mut self) -> Result<(Vec<Question>, Vec<Request>)> {
        let (mut questions, mut requests, mut tokens) = (Vec::new(), Vec::new(), 0);
        let mut text = String::new();
        while tokens < self.judge.base.placement.batch_tokens {
            text.clear();
            if self.reader.read_line(&mut text)? == 0 {
                break;
            }
            self.line += 1;
            if !text.trim().is_empty() {
                let at = || format!("line {}", self.line);
                let question: Question = serde_json::from_str(&text).with_context(at)?;
                let request = self
                    .judge
                    .request(self.format, &question)
                    .with_context(at)?;
                let candidates = request.candidates.iter();
                tokens += candidates
                    .map(|candidate| candidate.encoded.tokens.len())
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
