//! A judge: two heads on one base, and how their log-likelihoods become a probability. Its folder has the heads as PEFT
//! writes them, `positive/` and `negative/`, and `likra.toml`.

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use likra_data::{AnswerKind, Chat};
use likra_files::{read, write_atomically};
use likra_judge::{
    Calibration, Interval, Judgement, Message, Performance, Prompt, Question, Scored,
};
use likra_lora::{Adapter, LoraConfig};
use likra_results::{Input, sha256};
use likra_score::{Head, Plan};
use likra_tokenizer::{Bos, Candidate, EncodedPair, Request, Tokenizer};
use likra_train::TrainSettings;
use serde::{Deserialize, Serialize};

use crate::base::Base;
use crate::inputs::chat_of;
use crate::work::score;
use likra_hub::Listener;

/// The names of the heads, and of their folders.
pub(crate) const HEADS: [&str; 2] = ["positive", "negative"];

/// `likra.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct JudgeFile {
    /// The version that made it.
    pub likra: String,
    /// The base: a folder, or its name on the hub.
    pub model: String,
    /// The hash of its files, tokenizer included.
    pub model_sha256: String,
    /// Whether prompts are put into the base's chat template.
    pub chat_template: bool,
    /// The seed of the examples' order and of the initial adapters.
    pub seed: u32,
    /// What was learned.
    pub feedback: FeedbackFile,
    /// From log-likelihoods to probabilities.
    pub calibration: Calibration,
    /// How well the judge does on prompts that it has not learned, calibrated on others of them.
    pub held_out: Performance,
    /// The same prompts by other ways.
    pub beside: Beside,
    /// How the heads were trained.
    pub training: TrainSettings,
    /// The shape of their adapters.
    pub lora: LoraConfig,
}

/// What a judge has learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FeedbackFile {
    /// How many good answers the positive head has learned.
    pub chosen: usize,
    /// How many bad answers the negative head has learned.
    pub rejected: usize,
    /// How many prompts were held out.
    pub held_out: usize,
    /// The files and their hashes.
    pub files: Vec<Input>,
}

/// How often the best answer is a good one where no bad answers have been learned, with a 95% interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Beside {
    /// By the base's log-likelihood per character.
    pub base: Interval,
    /// By the positive head's.
    pub positive: Interval,
    /// The shortest answer.
    pub shortest: Interval,
}

/// How a prompt and an answer become tokens.
pub struct Format {
    tokenizer: Tokenizer,
    chat: Option<Chat>,
    /// How many tokens the model takes.
    positions: usize,
}

impl Format {
    /// # Errors
    ///
    /// If the tokenizer, or the chat template that is wanted, is refused.
    pub(crate) fn open(base: &Base, bos: Bos, has_chat: bool) -> Result<Self> {
        let chat = has_chat.then(|| chat_of(&base.folder, true));
        Ok(Self {
            tokenizer: Tokenizer::open(&base.folder, bos)?,
            chat: chat.transpose()?,
            positions: base.config.max_positions,
        })
    }

    /// Whether prompts are put into a chat template.
    #[must_use]
    pub fn is_chat(&self) -> bool {
        self.chat.is_some()
    }

    /// The prompt as a text. A text is a user's message where there is a chat template.
    ///
    /// # Errors
    ///
    /// If there are messages and no template for them, or the template refuses them.
    pub fn context(&self, prompt: &Prompt) -> Result<String> {
        let user = |text: &String| {
            let (role, content) = ("user".into(), text.clone());
            vec![Message { role, content }]
        };
        let messages = match (prompt, &self.chat) {
            (Prompt::Text(text), None) => return Ok(text.clone()),
            (Prompt::Chat(_), None) => bail!("messages, but the judge was trained on plain texts"),
            (Prompt::Text(text), Some(_)) => user(text),
            (Prompt::Chat(messages), Some(_)) => messages.clone(),
        };
        let said = messages.iter().map(|said| (&*said.role, &*said.content));
        let said: Vec<(&str, &str)> = said.collect();
        let chat = self.chat.as_ref().context("no chat template")?;
        Ok(chat.said(&said)?)
    }

    /// An answer after its prompt. A space goes between two plain texts that have none there.
    pub(crate) fn pair(&self, prompt: &Prompt, answer: &str) -> Result<EncodedPair> {
        ensure!(!answer.trim().is_empty(), "an empty answer");
        let context = self.context(prompt)?;
        let is_space = |c: Option<char>| c.is_none_or(char::is_whitespace);
        let joined = is_space(context.chars().next_back()) || is_space(answer.chars().next());
        let pair = match joined || self.is_chat() {
            true => self.tokenizer.encode_pair(&context, answer)?,
            false => self
                .tokenizer
                .encode_pair(&context, &format!(" {answer}"))?,
        };
        let positions = self.positions;
        let tokens = pair.tokens.len();
        ensure!(
            pair.fits(positions),
            "prompt and answer have {tokens} tokens; the model has {positions} positions"
        );
        Ok(pair)
    }

    /// Answers to be scored, each with whether it is good.
    pub(crate) fn request(
        &self,
        id: String,
        prompt: &Prompt,
        answers: &[(String, bool)],
    ) -> Result<Request> {
        ensure!(!answers.is_empty(), "no answers");
        let candidate = |(answer, good): &(String, bool)| {
            Ok(Candidate {
                encoded: self.pair(prompt, answer)?,
                chars: answer.chars().count(),
                bytes: answer.len(),
                kind: if *good {
                    AnswerKind::Correct
                } else {
                    AnswerKind::Incorrect
                },
            })
        };
        Ok(Request {
            question_id: id,
            candidates: answers.iter().map(candidate).collect::<Result<_>>()?,
        })
    }
}

/// What an answer comes to under each of some heads, in nats, and its characters.
pub(crate) type Column<const N: usize> = ([f64; N], usize);

/// What heads think of the candidates of a plan, request by request.
pub(crate) fn scored<const N: usize>(
    base: &Base,
    heads: [(&str, Option<&Adapter>); N],
    plan: &Plan,
    listener: &Listener,
) -> Result<Vec<Vec<Column<N>>>> {
    base.check_memory(base.scoring_bytes(plan))?;
    let requests = plan.requests().iter();
    let candidates = requests.map(|request| request.candidates.iter());
    let mut found: Vec<Vec<Column<N>>> = candidates
        .map(|candidates| candidates.map(|one| ([0.0; N], one.chars)).collect())
        .collect();
    for (number, (name, adapter)) in heads.into_iter().enumerate() {
        let head = Head {
            name,
            examples: 0,
            adapter,
            greedy: false,
        };
        let records = score(base.model()?, name, &head, plan, listener)?;
        for (found, record) in found.iter_mut().flatten().zip(records) {
            found.0[number] = record.log_likelihood;
        }
    }
    Ok(found)
}

/// A judge that is ready to be asked.
pub struct Judge {
    /// The base.
    pub base: Base,
    /// What its folder says.
    pub file: JudgeFile,
    /// The positive and the negative head.
    pub heads: [Adapter; 2],
}

impl Judge {
    /// The path of `likra.toml` in a judge's folder, and what it says.
    ///
    /// # Errors
    ///
    /// If it is missing or malformed.
    pub fn read(dir: &Path) -> Result<JudgeFile> {
        let path = dir.join("likra.toml");
        let text = String::from_utf8(read(&path)?).with_context(|| path.display().to_string())?;
        toml::from_str(&text).with_context(|| path.display().to_string())
    }

    /// Opens the judge in `dir` on its base, whose files must be those that it was trained on.
    ///
    /// # Errors
    ///
    /// If a file is missing or refused, or the base is another.
    pub fn open(dir: &Path, base: Base) -> Result<Self> {
        let file = Self::read(dir)?;
        let found = base.hash()?;
        ensure!(
            found == file.model_sha256,
            "{}: not the base of the heads in {}, which is {}: its files have hash {found}, expected {}",
            base.folder.display(),
            dir.display(),
            file.model,
            file.model_sha256
        );
        let open = |name: &str| {
            let adapter = Adapter::load(&dir.join(name), base.device()?)?;
            base.config.check_adapter(&adapter)?;
            anyhow::Ok(adapter)
        };
        let heads = [open(HEADS[0])?, open(HEADS[1])?];
        Ok(Self { base, file, heads })
    }

    /// How it puts prompts and answers into tokens.
    ///
    /// # Errors
    ///
    /// If the tokenizer or the chat template is refused.
    pub fn format(&self) -> Result<Format> {
        Format::open(&self.base, self.file.training.bos, self.file.chat_template)
    }

    /// A question in tokens.
    ///
    /// # Errors
    ///
    /// If it has no answers, an empty one, a label that is none of them, or one that is too long.
    pub fn request(&self, format: &Format, question: &Question) -> Result<Request> {
        let label = question.label.unwrap_or_default();
        let count = question.answers.len();
        ensure!(
            label < count.max(1),
            "label {label}: expected less than {count}"
        );
        let answers = question
            .answers
            .iter()
            .map(|answer| (answer.clone(), false));
        format.request(
            String::new(),
            &question.prompt,
            &answers.collect::<Vec<_>>(),
        )
    }

    /// What it thinks of these questions.
    ///
    /// # Errors
    ///
    /// If the model is refused, or a result is no number.
    pub fn judge(&self, requests: Vec<Request>, listener: &Listener) -> Result<Vec<Judgement>> {
        let [positive, negative] = self.heads.each_ref().map(Some);
        let heads = [(HEADS[0], positive), (HEADS[1], negative)];
        let plan = Plan::new(requests, self.base.placement.batch_tokens)?;
        let found = scored(&self.base, heads, &plan, listener)?;
        let both = |([positive, negative], chars): Column<2>| Scored {
            positive,
            negative,
            chars,
        };
        let scored = found
            .into_iter()
            .map(|answers| answers.into_iter().map(both).collect());
        let scored: Vec<Vec<Scored>> = scored.collect();
        Ok(scored
            .iter()
            .map(|answers| self.file.calibration.judge(answers))
            .collect())
    }
}

impl JudgeFile {
    pub(crate) fn write(&self, dir: &Path) -> Result<()> {
        let text = toml::to_string(self)?;
        Ok(write_atomically(&dir.join("likra.toml"), |to| {
            to.write_all(text.as_bytes())
        })?)
    }
}

impl Base {
    /// The hash of the files of the model and its tokenizer.
    pub(crate) fn hash(&self) -> Result<String> {
        let mut hashes = Vec::new();
        for path in likra_model::Model::files(&self.folder)?
            .into_iter()
            .chain(Tokenizer::files(&self.folder))
        {
            hashes.push(Input::of_file(&path)?.sha256);
        }
        Ok(sha256(hashes.join("\n").as_bytes()))
    }
}
