//! What an experiment is made of, on this machine: the model's folder, the questions, the tokens.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use likra_data::{
    AnswerKind, ArcFiles, Asked, Benchmark, Bos, HellaswagFiles, Question, ScoringRequest,
    Tokenizer, TrainingExample, Unrelated, WrongAnswer, prompt, read_arc, scoring_requests, shots,
    training_order, training_pairs,
};
use likra_model::Model;
use likra_results::sha256_file;

use crate::experiment::{self, Evaluation, Experiment, Shots, Trained};
use crate::lessons::{Lessons, Ranking, Sources, lessons, seen};
use crate::steps::Key;

/// The seed by which a test question gets its irrelevant and its unrelated answer: the same for every
/// head, whatever it was trained by.
const OTHERS_SEED: u32 = 0;

/// Where an experiment's files are on this machine.
#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) model: PathBuf,
    pub(crate) data: PathBuf,
    pub(crate) unrelated: Option<PathBuf>,
}

/// The files that an experiment reads, and the questions in them.
pub(crate) struct Materials {
    model_dir: PathBuf,
    model_files: Vec<PathBuf>,
    model_hash: String,
    data_files: Vec<PathBuf>,
    benchmark: Benchmark,
    unrelated: Option<Unrelated>,
}

impl Materials {
    /// Finds the files, reads the questions and hashes the model.
    pub(crate) fn open(experiment: &Experiment, places: &Places) -> Result<Self> {
        let model_dir = &places.model;
        let (benchmark, mut data_files) = read_benchmark(experiment.benchmark, &places.data)?;
        let unrelated = match (&experiment.unrelated, &places.unrelated) {
            (Some(from), Some(dir)) => Some(Unrelated::read(from.benchmark, dir)?),
            _ => None,
        };
        data_files.extend(
            unrelated
                .iter()
                .flat_map(|unrelated| unrelated.files.clone()),
        );
        let mut model_files = Model::files(model_dir)?;
        let model_hash = hash_files(&model_files)?;
        model_files.extend(Tokenizer::files(model_dir));
        Ok(Self {
            model_dir: model_dir.into(),
            model_files,
            model_hash,
            data_files,
            benchmark,
            unrelated,
        })
    }

    pub(crate) fn model_dir(&self) -> &Path {
        &self.model_dir
    }

    pub(crate) fn model_hash(&self) -> &str {
        &self.model_hash
    }

    pub(crate) fn benchmark(&self) -> &Benchmark {
        &self.benchmark
    }

    /// Every file that decides a number.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        self.model_files
            .iter()
            .chain(&self.data_files)
            .map(PathBuf::as_path)
    }

    /// What `head` learns; `ranking` is asked for if its answers are ranked.
    pub(crate) fn lessons(
        &self,
        experiment: &Experiment,
        head: &Trained,
        ranking: Option<&Ranking>,
    ) -> Result<Lessons> {
        let tokenizer = Tokenizer::open(&self.model_dir, experiment.training.bos)?;
        let sources = Sources {
            train: self.benchmark.train(),
            wrong: experiment.wrong_answer,
            unrelated: self.unrelated.as_ref(),
            ranking,
        };
        lessons(&tokenizer, &sources, head)
    }

    /// The test questions after their shots, each with an irrelevant answer and, if there are any, an
    /// unrelated one beside its choices; and the same where nothing is asked.
    pub(crate) fn requests(
        &self,
        evaluation: &Evaluation,
    ) -> Result<(Vec<ScoringRequest>, Vec<ScoringRequest>)> {
        let tokenizer = Tokenizer::open(&self.model_dir, evaluation.bos)?;
        let others = others(&self.benchmark, self.unrelated.as_ref())?;
        let prefixes = prefixes(&self.benchmark, evaluation)?;
        let asked = asked(&prefixes, self.benchmark.test(), &others);
        let bare = asked
            .iter()
            .map(|asked| ScoringRequest::answer_only(&tokenizer, asked));
        let bare = bare.collect::<Result<_, _>>()?;
        Ok((scoring_requests(&tokenizer, &asked)?, bare))
    }

    /// The training questions that some of `heads` sees, without shots: by these the base ranks their choices.
    pub(crate) fn ranking_requests(
        &self,
        bos: Bos,
        heads: &[&Trained],
    ) -> Result<Vec<ScoringRequest>> {
        let tokenizer = Tokenizer::open(&self.model_dir, bos)?;
        let train = self.benchmark.train();
        let places: BTreeSet<usize> = heads.iter().flat_map(|head| seen(train, head)).collect();
        let asked: Vec<Asked> = places
            .into_iter()
            .map(|place| Asked {
                prefix: "",
                question: &train[place],
                others: Vec::new(),
            })
            .collect();
        Ok(scoring_requests(&tokenizer, &asked)?)
    }
}

/// An answer of each further kind to every test question.
fn others<'a>(
    benchmark: &'a Benchmark,
    unrelated: Option<&'a Unrelated>,
) -> Result<Vec<Vec<(AnswerKind, &'a str)>>> {
    let test = benchmark.test();
    let mut others = vec![Vec::new(); test.len()];
    let mut add = |kind, texts: &'a [String]| -> Result<()> {
        let pairs = training_pairs(test, kind, WrongAnswer::Random, OTHERS_SEED, texts)?;
        for (others, pair) in others.iter_mut().zip(pairs) {
            others.push((kind, pair.answer));
        }
        Ok(())
    };
    // A single question has no other to take an answer of.
    if test.len() > 1 {
        add(AnswerKind::Irrelevant, &[])?;
    }
    if let Some(unrelated) = unrelated {
        add(AnswerKind::Unrelated, &unrelated.test)?;
    }
    Ok(others)
}

/// The questions after their prefixes, as many as there are of these.
fn asked<'a>(
    prefixes: &'a [Arc<str>],
    test: &'a [Question],
    others: &[Vec<(AnswerKind, &'a str)>],
) -> Vec<Asked<'a>> {
    let asked = prefixes.iter().zip(test).zip(others);
    asked
        .map(|((prefix, question), others)| Asked {
            prefix,
            question,
            others: others.clone(),
        })
        .collect()
}

/// Finds and reads a benchmark in `dir`; returns its files too.
pub(crate) fn read_benchmark(
    layout: experiment::Benchmark,
    dir: &Path,
) -> Result<(Benchmark, Vec<PathBuf>)> {
    match layout {
        experiment::Benchmark::Arc => arc(dir),
        experiment::Benchmark::ArcFormat => arc_format(dir),
        experiment::Benchmark::Hellaswag => hellaswag(dir),
    }
}

/// ARC, as the paper divides it.
fn arc(dir: &Path) -> Result<(Benchmark, Vec<PathBuf>)> {
    let files = ArcFiles::find(dir)?;
    let benchmark = files.read()?;
    Ok((
        benchmark,
        files.train.into_iter().chain([files.test]).collect(),
    ))
}

/// `HellaSwag`, as lm-evaluation-harness divides it.
fn hellaswag(dir: &Path) -> Result<(Benchmark, Vec<PathBuf>)> {
    let files = HellaswagFiles::find(dir)?;
    Ok((files.read()?, vec![files.train, files.test]))
}

/// `train.jsonl` and `test.jsonl` in ARC's format; shots come from the first.
fn arc_format(dir: &Path) -> Result<(Benchmark, Vec<PathBuf>)> {
    let files = ["train.jsonl", "test.jsonl"].map(|name| dir.join(name));
    let (train, test) = (read_arc(&files[0])?, read_arc(&files[1])?);
    Ok((Benchmark::new(train.clone(), test, train)?, files.into()))
}

/// `questions` with answers of one kind, in the order that `seed` gives.
pub(crate) fn training_examples(
    tokenizer: &Tokenizer,
    questions: &[Question],
    kind: AnswerKind,
    wrong: WrongAnswer,
    seed: u32,
) -> Result<Vec<TrainingExample>> {
    let pairs = training_pairs(questions, kind, wrong, seed, &[])?;
    training_order(pairs.len(), seed)
        .into_iter()
        .map(|place| Ok(TrainingExample::new(tokenizer, &pairs[place])?))
        .collect()
}

/// The first test questions of `benchmark`, as many as asked for, each after its shots and with its own
/// choices alone.
pub(crate) fn requests(
    tokenizer: &Tokenizer,
    benchmark: &Benchmark,
    evaluation: &Evaluation,
) -> Result<Vec<ScoringRequest>> {
    let prefixes = prefixes(benchmark, evaluation)?;
    let none = vec![Vec::new(); prefixes.len()];
    let asked = asked(&prefixes, benchmark.test(), &none);
    Ok(scoring_requests(tokenizer, &asked)?)
}

/// The text of the shots before each of the test questions that are asked.
fn prefixes(benchmark: &Benchmark, evaluation: &Evaluation) -> Result<Vec<Arc<str>>> {
    let all = benchmark.test().len();
    let count = evaluation.questions.map_or(all, |limit| limit.min(all));
    let (pool, shots, seed) = (
        benchmark.shots(),
        evaluation.num_shots,
        evaluation.drawn_by(),
    );
    let text = |shots: Vec<&Question>| Arc::from(prompt::few_shot_prefix(shots));
    Ok(match (evaluation.shots, &evaluation.shot_ids, seed) {
        (Shots::PerQuestion, _, Some(seed)) => {
            let drawn = benchmark.shots_per_question(shots, seed)?;
            drawn.take(count).map(text).collect()
        }
        (_, Some(ids), _) => vec![text(shots::by_id(pool, ids)?); count],
        (_, None, seed) => vec![text(shots::fixed(pool, shots, seed)?); count],
    })
}

/// One hash for the contents of several files; the same file twice counts once.
pub(crate) fn hash_files(files: &[PathBuf]) -> Result<String> {
    let mut key = Key::default();
    for path in BTreeSet::from_iter(files) {
        key = key.with("file", sha256_file(path)?);
    }
    Ok(key.finish())
}

/// One hash for what a head is to learn, in order.
pub(crate) fn hash_examples(examples: &[TrainingExample]) -> String {
    let add = |key: Key, example: &TrainingExample| {
        key.with("tokens", bytes(&example.tokens))
            .with("start", example.answer_start.to_le_bytes())
    };
    examples.iter().fold(Key::default(), add).finish()
}

/// One hash for what is to be scored, in order.
pub(crate) fn hash_requests(requests: &[ScoringRequest]) -> String {
    let mut key = Key::default();
    for request in requests {
        key = key.with("question", &request.question_id);
        for candidate in &request.candidates {
            key = key
                .with("tokens", bytes(&candidate.tokens))
                .with("start", candidate.start.to_le_bytes())
                .with("chars", candidate.chars.to_le_bytes())
                .with("bytes", candidate.bytes.to_le_bytes())
                .with("kind", candidate.kind.name());
        }
    }
    key.finish()
}

fn bytes(tokens: &[u32]) -> Vec<u8> {
    tokens
        .iter()
        .flat_map(|token| token.to_le_bytes())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tiny model's tokenizer and questions; its weights are not asked for.
    fn tiny() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tiny")
    }

    fn benchmark() -> Benchmark {
        arc_format(&tiny()).unwrap().0
    }

    fn per_question(seed: Option<u64>) -> Evaluation {
        Evaluation {
            num_shots: 3,
            shots: Shots::PerQuestion,
            shot_seed: seed,
            questions: Some(5),
            ..Evaluation::default()
        }
    }

    #[test]
    fn bos_begins_every_sequence_or_none() {
        let benchmark = benchmark();
        let beginnings = |bos: Bos| {
            let tokenizer = Tokenizer::open(&tiny(), bos).unwrap();
            let (kind, wrong) = (AnswerKind::Incorrect, WrongAnswer::Random);
            let examples =
                training_examples(&tokenizer, &benchmark.train()[..9], kind, wrong, 1).unwrap();
            let requests = requests(&tokenizer, &benchmark, &per_question(None)).unwrap();
            let candidates = requests.into_iter().flat_map(|request| request.candidates);
            let tokens = examples.into_iter().map(|example| example.tokens);
            tokens
                .chain(candidates.map(|candidate| candidate.tokens))
                .collect::<Vec<_>>()
        };
        let (always, never) = (beginnings(Bos::Always), beginnings(Bos::Never));
        assert_eq!(always.len(), never.len());
        let bos = always[0][0];
        for (marked, bare) in always.iter().zip(&never) {
            assert_eq!((marked[0], &marked[1..]), (bos, bare.as_slice()));
            assert!(!bare.contains(&bos));
        }
        // This tokenizer's post-processor adds nothing.
        assert_eq!(beginnings(Bos::Auto), never);
    }

    #[test]
    fn shots_per_question_are_the_draws_of_one_generator() {
        let benchmark = benchmark();
        let prefixes = |seed, count| {
            let questions = Some(count);
            let evaluation = Evaluation {
                questions,
                ..per_question(seed)
            };
            prefixes(&benchmark, &evaluation).unwrap()
        };
        let found = prefixes(None, 5);
        let drawn = shots::PerQuestion::new(benchmark.shots(), 3, shots::HARNESS_SEED).unwrap();
        let expected: Vec<String> = drawn.take(5).map(prompt::few_shot_prefix).collect();
        assert!(
            found
                .iter()
                .map(AsRef::as_ref)
                .eq(expected.iter().map(String::as_str))
        );
        assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), 5);
        assert_eq!(prefixes(Some(1234), 5), found);
        assert_ne!(prefixes(Some(1), 5), found);
        // Fewer questions have the same shots.
        assert_eq!(prefixes(None, 2), found[..2]);

        let tokenizer = Tokenizer::open(&tiny(), Bos::Never).unwrap();
        let requests = requests(&tokenizer, &benchmark, &per_question(None)).unwrap();
        let asked = found.iter().zip(benchmark.test());
        for (request, (prefix, question)) in requests.iter().zip(asked) {
            let alone = ScoringRequest::new(&tokenizer, prefix, question).unwrap();
            assert_eq!(*request, alone);
        }
    }

    #[test]
    fn fixed_shots_are_the_first_or_named_or_sampled() {
        let benchmark = benchmark();
        let pool = benchmark.shots();
        let text = |shots: Vec<&Question>| prompt::few_shot_prefix(shots);
        let fixed = |ids: Option<Vec<String>>, shot_seed| {
            let evaluation = Evaluation {
                num_shots: 2,
                shot_ids: ids,
                shot_seed,
                questions: Some(3),
                ..Evaluation::default()
            };
            let found = prefixes(&benchmark, &evaluation).unwrap();
            assert_eq!(found, vec![found[0].clone(); 3]);
            found[0].to_string()
        };
        assert_eq!(fixed(None, None), text(vec![&pool[0], &pool[1]]));
        let ids = [8, 4].map(|place| pool[place].id().to_owned());
        assert_eq!(
            fixed(Some(ids.into()), None),
            text(vec![&pool[8], &pool[4]])
        );
        let sample = shots::fixed(pool, 2, Some(7)).unwrap();
        assert_eq!(fixed(None, Some(7)), text(sample));
    }
}
