//! From a file of feedback to a judge: the heads learn most of it, and the rest says how they are to be read.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use likra_data::{rows_of, training_order, training_passes, without_compression};
use likra_files::{check_room, read, sweep, write_atomically};
use likra_hub::{Event, Listener, Name, RepoType, fetch};
use likra_judge::{
    Calibration, Feedback, Labelled, Performance, Prompt, Scored, accuracy_of, feedback,
};
use likra_lora::Adapter;
use likra_results::{BASE, HeadDir, Input, ScoreRecord, remove, sha256};
use likra_score::Plan;
use likra_tokenizer::{EncodedPair, Request};
use likra_train::{Example, LongExample};
use serde_json::json;

use crate::jobs::key;
use crate::judge::{Beside, FeedbackFile, Format, HEADS, head_hash, scored};
use crate::work::score_alone;
use crate::{Base, Finder, Hashes, Head, Judge, JudgeFile, Spec, train};

/// How many prompts with good and bad answers must be there to be held out.
const FEWEST: usize = 10;

/// The file of feedback at a path, or those of a data set on the hub that are for training.
fn files(text: &str, listener: &Listener) -> Result<Vec<PathBuf>> {
    let name = Name::parse(text).filter(|_| !Path::new(text).exists());
    let Some(name) = name else {
        return Ok(vec![text.into()]);
    };
    let expected = "files of rows with `train` in their names";
    let (folder, _) = fetch(RepoType::Dataset, &name, expected, &is_training, listener)?;
    let found = training_files(&folder)?;
    ensure!(
        !found.is_empty(),
        "{text}: no files there; expected {expected}"
    );
    Ok(found)
}

/// Whether a file of a data set has rows for training.
fn is_training(file: &str) -> bool {
    let endings = [".parquet", ".jsonl", ".json", ".csv"];
    let plain = without_compression(file);
    file.contains("train") && endings.iter().any(|ending| plain.ends_with(ending))
}

/// Those that are in a folder and below it, in the order of their names.
fn training_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(inner) = folders.pop() {
        for entry in fs_err::read_dir(inner)? {
            let path = entry?.path();
            // The folder's own path may have `train` in it.
            let name = path.strip_prefix(folder).unwrap_or(&path);
            match path.is_dir() {
                true => folders.push(path),
                false if is_training(&name.to_string_lossy()) => found.push(path),
                false => {}
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The feedback in a file or a data set on the hub, and the files that it is in; says what of it is not learned.
fn open(file: &str, listener: &Listener) -> Result<(Vec<Feedback>, Vec<Input>)> {
    let (mut rows, mut inputs) = (Vec::new(), Vec::new());
    for path in files(file, listener)? {
        let bytes = read(&path)?;
        inputs.push(Input::of_bytes(&path, &bytes));
        let found = rows_of(bytes, &path)?.into_iter();
        rows.extend(found.map(|(line, row)| (format!("{}: line {line}", path.display()), row)));
    }
    let (all, left_out) = feedback(&rows)?;
    let duplicate = "only answers that the same prompt has had before, which are left out";
    let contradiction = "an answer that is chosen and rejected for one prompt, which is left out";
    for (rows, what) in [
        (left_out.empty, "an empty answer, which is left out"),
        (left_out.duplicates, duplicate),
        (left_out.contradictions, contradiction),
    ] {
        if let Some(first) = rows.first() {
            let count = rows.len();
            let line = format!("Warning: rows with {what}: {count}; the first is {first}");
            listener(Event::Said(line));
        }
    }
    let none = |of: fn(&Feedback) -> &[String]| all.iter().all(|one| of(one).is_empty());
    for (is_missing, name) in [
        (none(|one| &one.chosen), "chosen"),
        (none(|one| &one.rejected), "rejected"),
    ] {
        let expected = "expected some of both, chosen and rejected";
        ensure!(!is_missing, "{file}: not one {name} answer; {expected}");
    }
    Ok((all, inputs))
}

/// Leaves out the answers that the model has no room for, and says how many, or refuses them.
fn leave_out_long(
    format: &Format,
    all: &mut Vec<Feedback>,
    rule: LongExample,
    listener: &Listener,
) -> Result<()> {
    let mut skipped = 0;
    for one in all.iter_mut() {
        for answers in [&mut one.chosen, &mut one.rejected] {
            let mut kept = Vec::new();
            for answer in answers.drain(..) {
                let is_short = format.fits(&format.encoded(&one.prompt, &answer)?);
                if !is_short && rule == LongExample::Refuse {
                    let begins: String = answer.chars().take(60).collect();
                    let why = format.pair(&one.prompt, &answer).err();
                    let why = why.map_or(String::new(), |why| why.to_string());
                    bail!(
                        "{why}; `--too-long skip` leaves it out; the answer begins with {begins:?}"
                    );
                }
                skipped += usize::from(!is_short);
                kept.extend(is_short.then_some(answer));
            }
            *answers = kept;
        }
    }
    all.retain(|one| !one.chosen.is_empty() || !one.rejected.is_empty());
    if skipped > 0 {
        let line = "answers are too long for the model, which are left out";
        listener(Event::Said(format!("Warning: {skipped} {line}")));
    }
    Ok(())
}

/// What is learned and what is held out: of the prompts that have good and bad answers a share, as a shuffle with `seed`
/// orders them.
fn parts(all: Vec<Feedback>, share: f64, seed: u32) -> Result<[Vec<Feedback>; 2]> {
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
    let order = training_order(count, seed);
    let mut shuffled = order.iter().map(|&place| mixed[place].clone());
    let held_out = shuffled.by_ref().take(held.min(count / 2)).collect();
    learned.extend(shuffled);
    Ok([learned, held_out])
}

/// Has the day on which training began, if the chat template asks for one.
const BEGUN: &str = "training/today";

/// The day of the judge in `out`, or of its training that was stopped.
fn begun(out: &Path) -> Option<String> {
    let made = Judge::read(out).ok().and_then(|made| made.today);
    made.or_else(|| fs_err::read_to_string(out.join(BEGUN)).ok())
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
    let (mut all, inputs) = open(file, listener)?;
    let has_chat = all.iter().any(|one| matches!(one.prompt, Prompt::Chat(_)));
    // A judge that is made once more, or goes on, keeps its day, and with it what it has learned.
    let today = spec.evaluation.today.clone().or_else(|| begun(out));
    let format = Format::open(&base, spec.training.bos, has_chat, today)?;
    leave_out_long(&format, &mut all, spec.training.too_long, listener)
        .with_context(|| file.to_owned())?;
    let [learned, held_out] = parts(all, share, spec.seed).with_context(|| file.to_owned())?;
    let plan = Plan::new(requests(&format, &held_out)?, base.placement.batch_tokens)?;
    let files: Vec<&str> = inputs.iter().map(|input| &*input.sha256).collect();
    let today = format.today();
    let day = today.as_deref().unwrap_or_default();
    if today.is_some() {
        write_atomically(&out.join(BEGUN), |to| to.write_all(day.as_bytes()))?;
    }
    let data = sha256(format!("{} {share}{day}", files.join(" ")).as_bytes());
    let model = base.hash(has_chat)?;
    let hashes = [("model", &model), ("tokenizer", &model), ("data", &data)];
    let hashes = hashes.map(|(name, hash)| (name, hash.clone())).into();
    let chosen = pairs(&format, &learned, |one| &one.chosen)?;
    let rejected = pairs(&format, &learned, |one| &one.rejected)?;
    let positive = teach(&base, spec, &hashes, HEADS[0], &chosen, out, listener)?;
    let negative = teach(&base, spec, &hashes, HEADS[1], &rejected, out, listener)?;
    let scored = scored(&base, [&positive, &negative], &plan, listener)?;
    let labelled = labelled(&held_out, scored);
    let mut judge = JudgeFile {
        likra: env!("CARGO_PKG_VERSION").into(),
        model: base.name.clone(),
        model_sha256: model,
        chat_template: has_chat,
        today,
        seed: spec.seed,
        heads_sha256: Default::default(),
        feedback: FeedbackFile {
            files: inputs,
            chosen: chosen.len(),
            rejected: rejected.len(),
            held_out: labelled.len(),
        },
        calibration: calibrated(&labelled, listener),
        held_out: Performance::of_others(&labelled).context("no prompts are held out")?,
        beside: beside(&score_alone(&base, BASE, None, &plan, listener)?, &labelled)?,
        training: spec.training.clone(),
        lora: spec.lora.clone(),
    };
    leave(&mut judge, [&positive, &negative], out)?;
    Ok(judge)
}

/// What the heads think of the answers to prompts, each with whether it is good: of each prompt those are the first.
fn labelled(held_out: &[Feedback], scored: Vec<Vec<Scored>>) -> Vec<Labelled> {
    let both = held_out.iter().zip(scored);
    both.map(|(one, answers)| {
        let label = |(place, answer)| (answer, place < one.chosen.len());
        answers.into_iter().enumerate().map(label).collect()
    })
    .collect()
}

/// How scores are to be read; says so if they are worth nothing.
fn calibrated(labelled: &[Labelled], listener: &Listener) -> Calibration {
    let calibration = Calibration::fit(&labelled.iter().collect::<Vec<_>>());
    if calibration.slope <= 0.0 {
        let line = "Warning: of the prompts held out, good answers have no higher scores than bad ones: this is no judge";
        listener(Event::Said(line.into()));
    }
    calibration
}

/// Writes a judge into its folder: what says how to read the heads last of all, and never beside those of another judge.
fn leave(judge: &mut JudgeFile, heads: [&Adapter; 2], out: &Path) -> Result<()> {
    let file = out.join("likra.toml");
    remove(&file)?;
    for (place, head) in heads.into_iter().enumerate() {
        let folder = out.join(HEADS[place]);
        sweep(&folder)?;
        head.save(&folder)?;
        judge.heads_sha256[place] = head_hash(&folder)?;
    }
    let text = toml::to_string(judge)?;
    write_atomically(&file, |to| to.write_all(text.as_bytes()))?;
    Ok(())
}

/// What is asked of prompts that are held out: all answers to each, the good ones first.
fn requests(format: &Format, held_out: &[Feedback]) -> Result<Vec<Request>> {
    let request = |(place, one): (usize, &Feedback)| {
        let answers = one.chosen.iter().chain(&one.rejected);
        format.request(place.to_string(), &one.prompt, answers)
    };
    held_out.iter().enumerate().map(request).collect()
}

/// The good answers to all prompts, or the bad ones, each after its prompt.
fn pairs(
    format: &Format,
    learned: &[Feedback],
    of: fn(&Feedback) -> &[String],
) -> Result<Vec<EncodedPair>> {
    let pairs = learned.iter().flat_map(|one| {
        let answers = of(one).iter();
        answers.map(|answer| format.pair(&one.prompt, answer))
    });
    pairs.collect()
}

/// How often the best answer is a good one by ways that need no negative head.
fn beside(base: &[ScoreRecord], prompts: &[Labelled]) -> Result<Beside> {
    let by = |score: &dyn Fn(&Scored, &ScoreRecord) -> f64| {
        let mut base = base.iter();
        let judged = prompts.iter().map(|answers| {
            let scored = answers.iter().zip(base.by_ref());
            let scored = scored.map(|((answer, good), base)| (score(answer, base), *good));
            scored.unzip()
        });
        accuracy_of(&judged.collect::<Vec<_>>()).context("no prompts are held out")
    };
    Ok(Beside {
        base: by(&|one, base| base.log_likelihood / one.chars.max(1) as f64)?,
        positive: by(&|one, _| one.positive / one.chars.max(1) as f64)?,
        shortest: by(&|one, _| -(one.chars as f64))?,
    })
}

/// The head `name` that has learned these answers; its checkpoints are left in `out`.
fn teach(
    base: &Base,
    spec: &Spec,
    hashes: &Hashes,
    name: &str,
    pairs: &[EncodedPair],
    out: &Path,
    listener: &Listener,
) -> Result<Adapter> {
    let (epochs, one) = (spec.training.epochs, pairs.len());
    let order = training_passes(one, spec.seed, one * epochs, epochs).into_iter();
    let examples: Vec<Example> = order.map(|place| pairs[place].clone().into()).collect();
    let head = Head::new(name, spec, examples.len());
    let decides =
        json!({"feedback": name, "training": spec.training, "lora": spec.lora, "seed": spec.seed});
    let key = key(hashes, &base.placement, &decides)?;
    let dir = HeadDir::new(out.join("training").join(name));
    let _lock = dir.lock()?;
    check_room(&dir.log(), base.room(&head, &dir)?)?;
    base.check_memory(base.training_bytes(&head, &examples)?)?;
    train(base, &head, &key, &examples, &dir, listener)?;
    Ok(Adapter::load(
        &dir.checkpoint(examples.len()),
        base.device()?,
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_for_training_are_known_by_their_own_names() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("constrained-train");
        fs_err::create_dir_all(folder.join("train")).unwrap();
        for file in ["test.jsonl", "train.jsonl.gz", "train/0.csv", "train.txt"] {
            fs_err::write(folder.join(file), "").unwrap();
        }
        let expected = ["train/0.csv", "train.jsonl.gz"].map(|file| folder.join(file));
        assert_eq!(training_files(&folder).unwrap(), expected);
    }
}
