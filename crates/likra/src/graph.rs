//! The steps of an experiment, each with a key of all that decides its result: what is done is known before
//! anything is done.
//!
//! A key is a hash of inputs and settings, not of what earlier steps have left, so that scores stay done
//! when the adapters that they were made with are gone.

use std::path::PathBuf;

use anyhow::Result;
use likra_data::ScoringRequest;
use likra_results::{ANSWER_ONLY, BASE, RunDir, ScoreRecord, read_rows};

use crate::device::Chosen;
use crate::experiment::{Experiment, Trained};
use crate::lessons::{Lessons, Ranking};
use crate::questions::{Materials, hash_examples, hash_requests};
use crate::steps::{Key, is_done};

/// What is asked of a model.
pub(crate) struct Sheets {
    /// The test questions, with irrelevant and unrelated answers beside their choices.
    pub(crate) test: Vec<ScoringRequest>,
    /// The same candidates where nothing is asked.
    pub(crate) answer_only: Vec<ScoringRequest>,
    /// Training questions whose wrong choices are to be ranked.
    pub(crate) training: Vec<ScoringRequest>,
}

/// A part of the work that is done once.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: String,
    /// The hash of what decides its result.
    pub(crate) key: String,
    /// The file or folder that it leaves.
    pub(crate) product: PathBuf,
    pub(crate) work: Work,
    pub(crate) state: State,
}

/// What is done in a step.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    /// The base is asked.
    Base(Sheet),
    /// A head is trained.
    Train(Trained),
    /// A head is asked after so many examples.
    Look(Trained, usize),
}

/// What the base is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sheet {
    Test,
    AnswerOnly,
    Training,
}

/// Whether a step is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Done,
    ToDo,
    /// It is not done, and nothing that is to be done needs it.
    NotNeeded,
}

/// What keys are made of.
pub(crate) struct Context<'a> {
    pub(crate) dir: &'a RunDir,
    pub(crate) experiment: &'a Experiment,
    pub(crate) materials: &'a Materials,
    pub(crate) chosen: &'a Chosen,
    pub(crate) sheets: &'a Sheets,
}

impl Sheets {
    pub(crate) fn new(experiment: &Experiment, materials: &Materials) -> Result<Self> {
        let trained = experiment.trained();
        let ranked = trained.iter().filter(|head| head.answers.are_ranked());
        let ranked: Vec<&Trained> = ranked.collect();
        let (test, answer_only) = materials.requests(&experiment.evaluation)?;
        Ok(Self {
            test,
            answer_only,
            training: materials.ranking_requests(experiment.training.bos, &ranked)?,
        })
    }

    pub(crate) fn of(&self, sheet: Sheet) -> &[ScoringRequest] {
        match sheet {
            Sheet::Test => &self.test,
            Sheet::AnswerOnly => &self.answer_only,
            Sheet::Training => &self.training,
        }
    }
}

impl Context<'_> {
    /// All steps in the order of work: the base, then each head and what it is asked.
    pub(crate) fn steps(&self) -> Result<Vec<Step>> {
        let mut steps = vec![
            self.base(BASE, Sheet::Test, self.dir.base_scores()),
            self.base(
                ANSWER_ONLY,
                Sheet::AnswerOnly,
                self.dir.answer_only_scores(),
            ),
        ];
        if !self.sheets.training.is_empty() {
            let product = self.dir.training_scores();
            steps.push(self.base("base-train", Sheet::Training, product));
        }
        for head in self.experiment.trained() {
            let fingerprint = self.fingerprint(&head)?;
            steps.push(self.train(&head, &fingerprint)?);
            for examples in self.experiment.checkpoints(&head) {
                steps.push(self.look(&head, examples, &fingerprint)?);
            }
        }
        for step in &mut steps {
            if is_done(&self.dir.step(&step.name)?, &step.key, &step.product) {
                step.state = State::Done;
            }
        }
        leave_out(&mut steps);
        Ok(steps)
    }

    /// What every number depends on: the model's files and how they are computed with.
    fn key(&self) -> Key {
        Key::default()
            .with("model", self.materials.model_hash())
            .with("device", &self.chosen.name)
            .with("dtype", format!("{:?}", self.chosen.dtype))
    }

    fn base(&self, name: &str, sheet: Sheet, product: PathBuf) -> Step {
        Step {
            name: format!("score-{name}"),
            key: self.base_key(sheet),
            product,
            work: Work::Base(sheet),
            state: State::ToDo,
        }
    }

    fn base_key(&self, sheet: Sheet) -> String {
        let asked = hash_requests(self.sheets.of(sheet));
        self.key().with("head", BASE).with("asked", asked).finish()
    }

    /// A hash of everything that decides a head's checkpoints, however many there are.
    pub(crate) fn fingerprint(&self, head: &Trained) -> Result<String> {
        let key = self
            .key()
            .with("head", &head.name)
            .with("seed", head.seed.to_le_bytes())
            .with("lora", format!("{:?}", self.experiment.lora))
            .with("training", format!("{:?}", self.experiment.training));
        if !head.answers.are_ranked() {
            let lessons = self.lessons(head)?;
            return Ok(key
                .with("examples", hash_examples(&lessons.examples))
                .finish());
        }
        // Which answers these are is known when the base has ranked them.
        Ok(key
            .with("answers", format!("{:?}", head.answers))
            .with("contamination", head.contamination.to_le_bytes())
            .with("ranking", self.base_key(Sheet::Training))
            .finish())
    }

    /// What a head learns; nothing yet if the base has not ranked the answers.
    pub(crate) fn lessons(&self, head: &Trained) -> Result<Lessons> {
        let scores = self.dir.training_scores();
        // What is there may be of other questions, as another seed draws them.
        let stamp = self.dir.step("score-base-train")?;
        let ranked = || is_done(&stamp, &self.base_key(Sheet::Training), &scores);
        let ranking = if head.answers.are_ranked() && ranked() {
            Some(Ranking::new(&read_rows::<ScoreRecord>(&scores)?))
        } else {
            None
        };
        self.materials
            .lessons(self.experiment, head, ranking.as_ref())
    }

    fn train(&self, head: &Trained, fingerprint: &str) -> Result<Step> {
        let key = Key::default()
            .with("fingerprint", fingerprint)
            .with("count", head.examples.to_le_bytes());
        Ok(Step {
            name: format!("train-{}", head.name),
            key: key.finish(),
            product: self.dir.head(&head.name)?.checkpoint(head.examples),
            work: Work::Train(head.clone()),
            state: State::ToDo,
        })
    }

    fn look(&self, head: &Trained, examples: usize, fingerprint: &str) -> Result<Step> {
        let key = Key::default()
            .with("fingerprint", fingerprint)
            .with("examples", examples.to_le_bytes())
            .with("asked", hash_requests(self.asked(head)));
        Ok(Step {
            name: format!("score-{}-n{examples:05}", head.name),
            key: key.finish(),
            product: self.dir.scores(&head.name, examples)?,
            work: Work::Look(head.clone(), examples),
            state: State::ToDo,
        })
    }

    /// The test questions that a head is asked.
    pub(crate) fn asked(&self, head: &Trained) -> &[ScoringRequest] {
        &self.sheets.test[..head.questions.min(self.sheets.test.len())]
    }
}

/// A head whose scores are all there need not be trained for them, nor answers be ranked that no such head learns.
fn leave_out(steps: &mut [Step]) {
    let wanted: Vec<Trained> = steps
        .iter()
        .filter(|step| step.state == State::ToDo)
        .filter_map(|step| match &step.work {
            Work::Look(head, _) => Some(head.clone()),
            _ => None,
        })
        .collect();
    for step in steps.iter_mut().filter(|step| step.state == State::ToDo) {
        let needed = match &step.work {
            Work::Train(head) => wanted.iter().any(|other| other.name == head.name),
            Work::Base(Sheet::Training) => wanted.iter().any(|head| head.answers.are_ranked()),
            Work::Base(_) | Work::Look(..) => true,
        };
        if !needed {
            step.state = State::NotNeeded;
        }
    }
}
