//! From a file of feedback to a judge: the heads learn most of it, and the rest says how they are to be read.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use likra_data::{read_rows, training_order, training_passes};
use likra_files::check_room;
use likra_hub::{Event, Listener, Name, RepoType, fetch};
use likra_judge::{
    Calibration, Feedback, Labelled, LeftOut, Performance, Prompt, Scored, accuracy_of, feedback,
};
use likra_lora::Adapter;
use likra_results::{BASE, HeadDir, Input, sha256};
use likra_score::Plan;
use likra_tokenizer::Request;
use likra_train::Example;
use serde_json::json;

use crate::base::Base;
use crate::experiment::Head;
use crate::finder::Finder;
use crate::jobs::key;
use crate::judge::{Beside, Column, FeedbackFile, Format, HEADS, JudgeFile, scored};
use crate::spec::Spec;
use crate::work::train;

/// How many prompts with good and bad answers must be there to be held out.
const FEWEST: usize = 10;

/// The file of feedback at a path, or those of a data set on the hub that are for training.
fn files(text: &str, listener: &Listener) -> Result<Vec<PathBuf>> {
    let name = Name::parse(text).filter(|_| !Path::new(text).exists());
    let Some(name) = name else {
        return Ok(vec![text.into()]);
    };
    let is_rows = |file: &str| {
        let endings = [".parquet", ".jsonl", ".json", ".csv"];
        file.contains("train") && endings.iter().any(|ending| file.ends_with(ending))
    };
    let expected = "files of rows with `train` in their names";
    let (folder, _) = fetch(RepoType::Dataset, &name, expected, &is_rows, listener)?;
    let mut found = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(folder)? {
            let path = entry?.path();
            match path.is_dir() {
                true => folders.push(path),
                false if is_rows(&path.to_string_lossy()) => found.push(path),
                false => {}
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Says what of a file is not learned.
fn say_left_out(left_out: &LeftOut, listener: &Listener) {
    for (rows, what) in [
        (&left_out.empty, "an empty answer, which is left out"),
        (
            &left_out.duplicates,
            "answers that stand before, which are left out",
        ),
        (
            &left_out.contradictions,
            "an answer that is chosen and rejected for one prompt, which is left out",
        ),
    ] {
        if let Some(first) = rows.first() {
            let line = format!(
                "Warning: {} rows have {what}; the first is in line {first}",
                rows.len()
            );
            listener(Event::Said(line));
        }
    }
}

/// The feedback in a file or a data set on the hub, and the files that it is in.
fn open(file: &str, listener: &Listener) -> Result<(Vec<Feedback>, Vec<Input>)> {
    let (mut rows, mut inputs) = (Vec::new(), Vec::new());
    for path in files(file, listener)? {
        rows.extend(read_rows(&path)?);
        inputs.push(Input::of_file(&path)?);
    }
    let (all, left_out) = feedback(&rows).with_context(|| file.to_owned())?;
    say_left_out(&left_out, listener);
    Ok((all, inputs))
}

/// What is learned, and what is held out.
struct Parts {
    learned: Vec<Feedback>,
    held_out: Vec<Feedback>,
}

/// Holds out a share of the prompts that have good and bad answers, as a shuffle with `seed` orders them.
fn parts(all: Vec<Feedback>, share: f64, seed: u32) -> Result<Parts> {
    let is_mixed = |one: &Feedback| !one.chosen.is_empty() && !one.rejected.is_empty();
    let (mixed, mut learned): (Vec<Feedback>, Vec<Feedback>) = all.into_iter().partition(is_mixed);
    let (count, prompts) = (mixed.len(), mixed.len() + learned.len());
    let held = ((share * count as f64).round() as usize).max(FEWEST);
    ensure!(
        count >= 2 * FEWEST,
        "{prompts} prompts, of which {count} have both a chosen and a rejected answer; expected at least {}, of \
         which half are held out to choose the weight by",
        2 * FEWEST
    );
    let held = held.min(count / 2);
    let order = training_order(count, seed);
    let mut mixed: Vec<Option<Feedback>> = mixed.into_iter().map(Some).collect();
    let mut take = |places: &[usize]| -> Vec<Feedback> {
        places
            .iter()
            .filter_map(|&place| mixed[place].take())
            .collect()
    };
    let held_out = take(&order[..held]);
    learned.extend(take(&order[held..]));
    Ok(Parts { learned, held_out })
}

/// Trains both heads on feedback, chooses how to read them, and leaves the judge in `out`; returns what it has come to.
/// Training that was stopped goes on.
///
/// # Errors
///
/// If the feedback, the model or a setting is refused, or a file cannot be written.
pub fn train_judge(
    spec: &Spec,
    file: &str,
    share: f64,
    out: &Path,
    listener: &Listener,
) -> Result<JudgeFile> {
    ensure!(
        share > 0.0 && share <= 0.5,
        "--held-out {share}: expected a share above 0, and at most 0.5"
    );
    let base = Finder::new(None, listener).base(spec)?;
    base.device()?;
    let (all, inputs) = open(file, listener)?;
    let has_chat = all.iter().any(|one| matches!(one.prompt, Prompt::Chat(_)));
    let format = Format::open(&base, spec.training.bos, has_chat)?;
    let Parts { learned, held_out } =
        parts(all, share, spec.seed).with_context(|| file.to_owned())?;
    let asked = requests(&format, &held_out)?;
    let hashes: Vec<&str> = inputs.iter().map(|input| &*input.sha256).collect();
    let teacher = Teacher {
        base: &base,
        spec,
        format: &format,
        model: base.hash()?,
        data: sha256(format!("{} {share}", hashes.join(" ")).as_bytes()),
        listener,
    };
    let answers = |of: fn(&Feedback) -> &Vec<String>| {
        let all = learned.iter();
        let all = all.flat_map(|one| of(one).iter().map(|answer| (&one.prompt, &**answer)));
        all.collect::<Vec<_>>()
    };
    let (good, bad) = (answers(|one| &one.chosen), answers(|one| &one.rejected));
    let positive = teacher.teach(HEADS[0], &good, out)?;
    let negative = teacher.teach(HEADS[1], &bad, out)?;
    let found = examined(&base, [&positive, &negative], asked, &held_out, listener)?;
    let labelled = found.iter().map(|all| all.iter().map(by_both).collect());
    let labelled: Vec<Labelled> = labelled.collect();
    let judge = JudgeFile {
        likra: env!("CARGO_PKG_VERSION").into(),
        model: base.name.clone(),
        model_sha256: teacher.model,
        chat_template: has_chat,
        seed: spec.seed,
        feedback: FeedbackFile {
            files: inputs,
            chosen: good.len(),
            rejected: bad.len(),
            held_out: labelled.len(),
        },
        calibration: Calibration::fit(&labelled.iter().collect::<Vec<_>>()),
        held_out: Performance::of_others(&labelled).context("no prompts are held out")?,
        beside: beside(&found)?,
        training: spec.training.clone(),
        lora: spec.lora.clone(),
    };
    judge.write(out)?;
    Ok(judge)
}

/// What the base and both heads think of the answers to prompts that are held out, and which of these are good.
fn examined(
    base: &Base,
    [positive, negative]: [&Adapter; 2],
    asked: Vec<Request>,
    held_out: &[Feedback],
    listener: &Listener,
) -> Result<Vec<Vec<(Column<3>, bool)>>> {
    let heads = [
        (BASE, None),
        (HEADS[0], Some(positive)),
        (HEADS[1], Some(negative)),
    ];
    let plan = Plan::new(asked, base.placement.batch_tokens)?;
    let found = scored(base, heads, &plan, listener)?;
    let found = held_out.iter().zip(found).map(|(one, answers)| {
        let label = |(place, answer)| (answer, place < one.chosen.len());
        answers.into_iter().enumerate().map(label).collect()
    });
    Ok(found.collect())
}

/// What is asked of prompts that are held out: all answers to each, the good ones first.
fn requests(format: &Format, held_out: &[Feedback]) -> Result<Vec<Request>> {
    let request = |(place, one): (usize, &Feedback)| {
        let good = one.chosen.iter().map(|answer| (answer.clone(), true));
        let bad = one.rejected.iter().map(|answer| (answer.clone(), false));
        let answers: Vec<(String, bool)> = good.chain(bad).collect();
        format.request(place.to_string(), &one.prompt, &answers)
    };
    held_out.iter().enumerate().map(request).collect()
}

/// An answer without what the base thinks of it.
fn by_both(&(([_, positive, negative], chars), good): &(Column<3>, bool)) -> (Scored, bool) {
    let scored = Scored {
        positive,
        negative,
        chars,
    };
    (scored, good)
}

/// How often the best answer is a good one by ways that need no negative head.
fn beside(prompts: &[Vec<(Column<3>, bool)>]) -> Result<Beside> {
    let by = |score: fn(&Column<3>) -> f64| {
        let judged = prompts.iter().map(|answers| {
            let scored = answers.iter().map(|(answer, good)| (score(answer), *good));
            scored.unzip()
        });
        accuracy_of(&judged.collect::<Vec<_>>()).context("no prompts are held out")
    };
    Ok(Beside {
        base: by(|([base, ..], chars)| base / (*chars).max(1) as f64)?,
        positive: by(|([_, positive, _], chars)| positive / (*chars).max(1) as f64)?,
        shortest: by(|(_, chars)| -(*chars as f64))?,
    })
}

/// Trains heads on answers.
struct Teacher<'a> {
    base: &'a Base,
    spec: &'a Spec,
    format: &'a Format,
    /// The hashes of the base and of the feedback.
    model: String,
    data: String,
    listener: &'a Listener<'a>,
}

impl Teacher<'_> {
    /// The head `name` that has learned these answers; it is left in `out`, with its checkpoints.
    fn teach(&self, name: &str, answers: &[(&Prompt, &str)], out: &Path) -> Result<Adapter> {
        let (base, spec) = (self.base, self.spec);
        let pairs = answers.iter();
        let pairs = pairs.map(|(prompt, answer)| self.format.pair(prompt, answer));
        let pairs = pairs.collect::<Result<Vec<_>>>()?;
        let (epochs, one) = (spec.training.epochs, pairs.len());
        let order = training_passes(one, spec.seed, one * epochs, epochs).into_iter();
        let examples: Vec<Example> = order.map(|place| pairs[place].clone().into()).collect();
        let head = Head::of_feedback(name, spec, examples.len());
        let hashes = [
            ("model", &self.model),
            ("tokenizer", &self.model),
            ("data", &self.data),
        ];
        let hashes = hashes.map(|(name, hash)| (name, hash.to_owned())).into();
        let decides = json!({"feedback": name, "training": spec.training, "lora": spec.lora, "seed": spec.seed});
        let key = key(&hashes, &base.placement, &decides)?;
        let dir = HeadDir::new(out.join("training").join(name));
        let _lock = dir.lock()?;
        check_room(&dir.log(), base.room(&head, &dir)?)?;
        base.check_memory(base.training_bytes(&head, &examples)?)?;
        train(base, &head, &key, &examples, &dir, self.listener)?;
        let learned = Adapter::load(&dir.checkpoint(examples.len()), base.device()?)?;
        learned.save(&out.join(name))?;
        Ok(learned)
    }
}
