//! Experiments are data: a TOML file says what is trained on what and how it is scored.

mod sections;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use likra_analysis::Norm;
use likra_data::{AnswerKind, WrongAnswer};
use serde::{Deserialize, Serialize};

pub(crate) use self::sections::{Analysis, Evaluation, Lora, Shots, Training};
use crate::protocol::Protocol;

/// The experiments that the program carries, by name.
const BUILT_IN: [(&str, &str); 2] = [
    ("tiny", include_str!("../experiments/tiny.toml")),
    (
        "smollm2-arc",
        include_str!("../experiments/smollm2-arc.toml"),
    ),
];

/// An experiment as it stands in its file, with what the command line has changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Experiment {
    /// One line for people.
    pub(crate) title: String,
    /// A checkpoint folder, or `embedded:tiny`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    /// A folder with the benchmark's files, or `embedded:tiny`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<String>,
    /// Which layout `data` has.
    pub(crate) benchmark: Benchmark,
    /// The heads to train.
    pub(crate) heads: Vec<Head>,
    /// How many examples each head sees; all of them if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) examples: Option<usize>,
    /// Whose settings stand in for those that are not made here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) protocol: Option<Protocol>,
    /// Which wrong choice a negative head learns.
    #[serde(default)]
    pub(crate) wrong_answer: WrongAnswer,
    /// Decides the order of the examples, the wrong answers drawn and the initial adapters.
    #[serde(default)]
    pub(crate) seed: u32,
    /// How a head is trained.
    #[serde(default)]
    pub(crate) training: Training,
    /// The shape of an adapter.
    #[serde(default)]
    pub(crate) lora: Lora,
    /// How questions are asked.
    #[serde(default)]
    pub(crate) evaluation: Evaluation,
    /// What is made of the scores.
    #[serde(default)]
    pub(crate) analysis: Analysis,
}

/// A benchmark's layout of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Benchmark {
    /// AI2's ARC: six JSONL files.
    Arc,
    /// `train.jsonl` and `test.jsonl` in ARC's format.
    ArcFormat,
    /// `HellaSwag`'s training set, and its validation set as the test.
    Hellaswag,
}

/// A head by the answers that it learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Head {
    /// Right answers.
    Positive,
    /// Wrong options of the same question.
    Incorrect,
    /// Wrong options of another question.
    Irrelevant,
}

impl Head {
    /// The name in files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Positive => "positive",
            Self::Incorrect => "incorrect",
            Self::Irrelevant => "irrelevant",
        }
    }

    /// Which answer it learns.
    pub(crate) fn answers(self) -> AnswerKind {
        match self {
            Self::Positive => AnswerKind::Correct,
            Self::Incorrect => AnswerKind::Incorrect,
            Self::Irrelevant => AnswerKind::Irrelevant,
        }
    }
}

/// What the command line changes in an experiment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overrides {
    pub(crate) model: Option<PathBuf>,
    pub(crate) data: Option<PathBuf>,
    pub(crate) questions: Option<usize>,
    pub(crate) examples: Option<usize>,
    pub(crate) num_shots: Option<usize>,
    pub(crate) shots: Option<Shots>,
    pub(crate) shot_seed: Option<u32>,
    pub(crate) wrong_answer: Option<WrongAnswer>,
    pub(crate) normalisation: Option<Norm>,
    pub(crate) seed: Option<u32>,
}

impl Experiment {
    /// The experiment called `spec`: a built-in name, or a path to a TOML file. `protocol` stands in
    /// for its own. Returns its name too.
    pub(crate) fn open(spec: &str, protocol: Option<Protocol>) -> Result<(String, Self)> {
        if let Some((name, text)) = BUILT_IN.iter().find(|(name, _)| *name == spec) {
            return Ok(((*name).into(), Self::parse(text, name, protocol)?));
        }
        let path = Path::new(spec);
        if path.extension().is_none_or(|extension| extension != "toml") {
            let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
            bail!("no experiment `{spec}`: expected one of {names:?}, or a path to a .toml file");
        }
        let text = std::fs::read_to_string(path).with_context(|| spec.to_owned())?;
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Ok((name, Self::parse(&text, spec, protocol)?))
    }

    fn parse(text: &str, origin: &str, protocol: Option<Protocol>) -> Result<Self> {
        let origin = || origin.to_owned();
        // By itself first, so that what is wrong in it is named with its line.
        let own: Self = toml::from_str(text).with_context(origin)?;
        let experiment = match protocol.or(own.protocol) {
            Some(protocol) => Self::under(protocol, text).with_context(origin)?,
            None => own,
        };
        experiment.check().with_context(origin)?;
        Ok(experiment)
    }

    /// The experiment of `text`, with the protocol's settings for those that it does not make.
    fn under(protocol: Protocol, text: &str) -> Result<Self> {
        let mut table: toml::Table = toml::from_str(text)?;
        protocol.fill(&mut table)?;
        let experiment: Self = table.try_into()?;
        Ok(Self {
            protocol: Some(protocol),
            ..experiment
        })
    }

    /// The experiment as the command line changes it.
    pub(crate) fn with(mut self, overrides: &Overrides) -> Result<Self> {
        let text = |path: &PathBuf| path.to_string_lossy().into_owned();
        if let Some(model) = &overrides.model {
            self.model = Some(text(model));
        }
        if let Some(data) = &overrides.data {
            self.data = Some(text(data));
        }
        self.change_shots(overrides);
        self.wrong_answer = overrides.wrong_answer.unwrap_or(self.wrong_answer);
        let analysis = &mut self.analysis;
        analysis.normalisation = overrides.normalisation.unwrap_or(analysis.normalisation);
        self.evaluation.questions = overrides.questions.or(self.evaluation.questions);
        self.examples = overrides.examples.or(self.examples);
        self.seed = overrides.seed.unwrap_or(self.seed);
        self.check()?;
        Ok(self)
    }

    /// Fewer shots are the first of those that the file names; shots that are drawn stand in for them.
    fn change_shots(&mut self, overrides: &Overrides) {
        let evaluation = &mut self.evaluation;
        evaluation.num_shots = overrides.num_shots.unwrap_or(evaluation.num_shots);
        evaluation.shots = overrides.shots.unwrap_or(evaluation.shots);
        let drawn = overrides.shot_seed.is_some() || overrides.shots == Some(Shots::PerQuestion);
        evaluation.shot_seed = overrides.shot_seed.map(u64::from).or(evaluation.shot_seed);
        if drawn {
            evaluation.shot_ids = None;
        }
        if let Some(ids) = &mut evaluation.shot_ids
            && overrides.num_shots.is_some()
        {
            ids.truncate(evaluation.num_shots);
        }
    }

    /// The experiment with its numbers of examples and questions as `benchmark` has them, and the seed
    /// of its shots.
    pub(crate) fn resolved(mut self, benchmark: &likra_data::Benchmark) -> Self {
        let at_most = |asked: Option<usize>, all: usize| Some(asked.map_or(all, |n| n.min(all)));
        self.examples = at_most(self.examples, benchmark.train().len());
        self.evaluation.questions = at_most(self.evaluation.questions, benchmark.test().len());
        self.evaluation.shot_seed = self.evaluation.drawn_by();
        self
    }

    /// How many examples each head sees, in a resolved experiment.
    pub(crate) fn examples_seen(&self) -> usize {
        self.examples.unwrap_or(0)
    }

    /// The numbers of examples after which each head is looked at; at 0 it is the base.
    pub(crate) fn checkpoints(&self) -> Vec<usize> {
        let mut checkpoints = self.training.settings().checkpoints(self.examples_seen());
        checkpoints.retain(|&examples| examples > 0);
        checkpoints
    }

    fn check(&self) -> Result<()> {
        self.training.settings().validate().context("[training]")?;
        self.lora.config().validate().context("[lora]")?;
        ensure!(
            !self.heads.is_empty(),
            "heads = []: expected at least one head"
        );
        for (place, head) in self.heads.iter().enumerate() {
            ensure!(
                !self.heads[..place].contains(head),
                "heads: `{}` stands there twice",
                head.name()
            );
        }
        ensure!(
            self.examples != Some(0),
            "examples = 0: expected at least 1"
        );
        self.evaluation.check().context("[evaluation]")?;
        let finite = self
            .analysis
            .weights
            .iter()
            .all(|weight| weight.is_finite());
        ensure!(finite, "[analysis] weights: expected finite numbers");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use likra_data::Bos;

    use super::*;

    #[test]
    fn every_built_in_experiment_is_well_formed() {
        for (name, _) in BUILT_IN {
            Experiment::open(name, None).unwrap();
        }
    }

    #[test]
    fn a_resolved_experiment_reads_back_as_itself() {
        for (name, _) in BUILT_IN {
            let (_, experiment) = Experiment::open(name, None).unwrap();
            let text = toml::to_string(&experiment).unwrap();
            assert_eq!(Experiment::parse(&text, name, None).unwrap(), experiment);
        }
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let tiny = BUILT_IN[0].1;
        for (text, message) in [
            (tiny.replace("seed", "sede"), "unknown field `sede`"),
            (
                tiny.replace("batch-size = 8", "batch-size = \"8\""),
                "batch-size",
            ),
            (
                tiny.replace("batch-size = 8", "batch-size = 5"),
                "multiple of the batch size",
            ),
            (
                tiny.replace("\"incorrect\"", "\"wrong\""),
                "unknown variant `wrong`",
            ),
            (tiny.replace("\"incorrect\"", "\"positive\""), "twice"),
        ] {
            assert_ne!(text, tiny);
            let error = format!("{:#}", Experiment::parse(&text, "tiny", None).unwrap_err());
            assert!(error.contains(message), "{error}");
        }
        let error = format!("{:#}", Experiment::open("huge", None).unwrap_err());
        assert!(error.contains("tiny"), "{error}");
    }

    /// As little as an experiment can say, and a line more.
    fn small(more: &str) -> String {
        format!("title = \"t\"\nbenchmark = \"arc\"\nheads = [\"positive\"]\n{more}")
    }

    fn parse(text: &str, protocol: Option<Protocol>) -> Result<Experiment> {
        Experiment::parse(text, "my.toml", protocol)
    }

    fn protocol(name: &str) -> Experiment {
        let experiment = parse(&small(&format!("protocol = \"{name}\"")), None).unwrap();
        // Written down with all it sets, it reads back as itself.
        let text = toml::to_string(&experiment).unwrap();
        assert_eq!(parse(&text, None).unwrap(), experiment);
        experiment
    }

    #[test]
    fn a_protocol_sets_what_it_names_and_nothing_else() {
        let defaults = parse(&small(""), None).unwrap();
        let harness = protocol("harness-0.4.13");
        let expected = Experiment {
            protocol: Some(Protocol::Harness0413),
            evaluation: Evaluation {
                shots: Shots::PerQuestion,
                ..Evaluation::default()
            },
            ..defaults.clone()
        };
        assert_eq!(harness, expected);
        assert_eq!(harness.evaluation.drawn_by(), Some(1234));

        let paper = protocol("paper");
        assert_eq!(paper.training, defaults.training);
        assert_eq!(
            (paper.wrong_answer, paper.evaluation.bos),
            (WrongAnswer::Random, Bos::Never)
        );
        assert_eq!(paper.evaluation.shots, Shots::PerQuestion);

        let authors = protocol("authors");
        let expected = Training {
            batch_size: 32,
            bos: Bos::Always,
            ..Training::default()
        };
        assert_eq!(
            (&authors.training, &authors.lora),
            (&expected, &Lora::default())
        );
        assert_eq!(authors.wrong_answer, WrongAnswer::First);
        assert_eq!(authors.evaluation, paper.evaluation);
        assert_eq!(authors.analysis, defaults.analysis);
    }

    #[test]
    fn an_experiment_s_own_keys_win_over_its_protocol() {
        let own = "protocol = \"authors\"\nwrong-answer = \"random\"\n[training]\nbatch-size = 16\n\
                   [lora]\nalpha = 16\n[evaluation]\nshots = \"fixed\"\n";
        let found = parse(&small(own), None).unwrap();
        assert_eq!(found.wrong_answer, WrongAnswer::Random);
        assert_eq!(
            (found.training.batch_size, found.training.bos),
            (16, Bos::Always)
        );
        assert_eq!((found.lora.alpha, found.lora.rank), (16.0, 8));
        assert_eq!(
            (found.evaluation.shots, found.evaluation.bos),
            (Shots::Fixed, Bos::Never)
        );
        // The command line's protocol stands in for the file's, below its other keys.
        let found = parse(&small(own), Some(Protocol::Paper)).unwrap();
        assert_eq!(found.protocol, Some(Protocol::Paper));
        assert_eq!(
            (found.training.batch_size, found.training.bos),
            (16, Bos::Auto)
        );
    }

    #[test]
    fn mistakes_under_a_protocol_are_named_with_their_line() {
        for (more, wanted) in [
            (
                "protocol = \"harness\"",
                &["line 4", "unknown variant `harness`", "`harness-0.4.13`"][..],
            ),
            (
                "protocol = \"paper\"\nwrong = 1",
                &["line 5", "unknown field `wrong`"],
            ),
            (
                "protocol = \"paper\"\n[training]\nbos = true",
                &["line 6", "bos"],
            ),
            (
                "protocol = \"authors\"\n[training]\nfirst-checkpoint = 8",
                &["[training]", "multiple of the batch size, 32"],
            ),
            (
                "protocol = \"paper\"\n[evaluation]\nnum-shots = 1\nshot-ids = [\"a\"]",
                &["[evaluation]", "shot-ids", "shots = \"fixed\""],
            ),
            (
                "[evaluation]\nnum-shots = 1\nshot-seed = 3\nshot-ids = [\"a\"]",
                &["[evaluation]", "shot-ids", "shot-seed = 3"],
            ),
            (
                "[evaluation]\nnum-shots = 2\nshot-ids = [\"a\"]",
                &["[evaluation]", "num-shots = 2", "names 1"],
            ),
            (
                "[evaluation]\nshots = \"sometimes\"",
                &["line 5", "`fixed` or `per-question`"],
            ),
            (
                "[analysis]\nnormalisation = \"words\"",
                &["line 5", "`chars`, `bytes`, `tokens`, `none`"],
            ),
            (
                "[analysis]\ncandidate-score = \"perplexity\"",
                &["line 5", "perplexity", "`log-likelihood`"],
            ),
            (
                "wrong-answer = \"last\"",
                &["line 4", "`random` or `first`"],
            ),
        ] {
            let error = format!("{:#}", parse(&small(more), None).unwrap_err());
            for wanted in [&["my.toml"], wanted].concat() {
                assert!(error.contains(wanted), "expected {wanted:?} in {error}");
            }
        }
    }

    #[test]
    fn the_command_line_changes_shots_as_a_whole() {
        let named = small("[evaluation]\nnum-shots = 2\nshot-ids = [\"a\", \"b\"]");
        let with = |overrides: &Overrides| {
            let experiment = parse(&named, None).unwrap();
            experiment
                .with(overrides)
                .map(|experiment| experiment.evaluation)
        };
        let fewer = Overrides {
            num_shots: Some(1),
            ..Overrides::default()
        };
        assert_eq!(with(&fewer).unwrap().shot_ids, Some(vec!["a".into()]));
        let more = Overrides {
            num_shots: Some(3),
            ..Overrides::default()
        };
        assert!(
            with(&more)
                .unwrap_err()
                .to_string()
                .contains("[evaluation]")
        );
        let drawn = Overrides {
            shots: Some(Shots::PerQuestion),
            ..Overrides::default()
        };
        let found = with(&drawn).unwrap();
        assert_eq!(
            (found.shot_ids, found.shots, found.num_shots),
            (None, Shots::PerQuestion, 2)
        );
        let seeded = Overrides {
            shot_seed: Some(7),
            ..Overrides::default()
        };
        let found = with(&seeded).unwrap();
        assert_eq!(
            (found.shot_ids, found.shots, found.shot_seed),
            (None, Shots::Fixed, Some(7))
        );
    }
}
