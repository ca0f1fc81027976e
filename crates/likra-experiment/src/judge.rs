//! A judge: two heads on one base, and how their log-likelihoods become a probability. Its folder has the heads as PEFT
//! writes them, `positive/` and `negative/`, and `likra.toml`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use likra_data::{AnswerKind, Chat};
use likra_judge::{Calibration, Interval, Judgement, Performance, Prompt, Question, Scored};
use likra_lora::{Adapter, LoraConfig};
use likra_model::Model;
use likra_results::{Input, sha256};
use likra_score::Plan;
use likra_tokenizer::{Bos, Candidate, EncodedPair, Request, Tokenizer};
use likra_train::TrainSettings;
use serde::{Deserialize, Serialize};

use crate::source::read_text;
use crate::work::score_alone;
use crate::{Base, Evaluation, Listener, chat};

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
    /// The day that the template is told, if it asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub today: Option<String>,
    /// The seed of the examples' order and of the initial adapters.
    pub seed: u32,
    /// The hashes of the positive and the negative head.
    pub heads_sha256: [String; 2],
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
    pub(crate) fn open(
        base: &Base,
        bos: Bos,
        has_chat: bool,
        today: Option<String>,
    ) -> Result<Self> {
        let evaluation = Evaluation {
            chat_template: has_chat,
            today,
            ..Evaluation::default()
        };
        Ok(Self {
            tokenizer: Tokenizer::open(&base.folder, bos)?,
            chat: chat(&base.folder, &evaluation)?,
            positions: base.config.max_positions,
        })
    }

    /// Whether prompts are put into a chat template.
    pub fn is_chat(&self) -> bool {
        self.chat.is_some()
    }

    /// The day that the chat template is told, if it asks for one.
    pub(crate) fn today(&self) -> Option<String> {
        Some(self.chat.as_ref()?.today()?.to_string())
    }

    /// The prompt as a text. A text is a user's message where there is a chat template.
    ///
    /// # Errors
    ///
    /// If there are messages and no template for them, or the template refuses them.
    pub fn context(&self, prompt: &Prompt) -> Result<String> {
        let said = match prompt {
            Prompt::Text(text) if self.chat.is_none() => return Ok(text.clone()),
            Prompt::Text(text) => vec![("user", text.as_str())],
            Prompt::Chat(messages) => {
                let said = messages.iter().map(|said| (&*said.role, &*said.content));
                said.collect()
            }
        };
        let plain = "messages, but the judge was trained on plain texts";
        let begins = || {
            let first = said.first().map_or("", |(_, content)| *content);
            let begins: String = first.chars().take(60).collect();
            format!("messages that begin with {begins:?}")
        };
        let chat = self.chat.as_ref().context(plain)?;
        chat.said(&said).with_context(begins)
    }

    /// An answer after its prompt, if the model has room for both.
    pub(crate) fn pair(&self, prompt: &Prompt, answer: &str) -> Result<EncodedPair> {
        let pair = self.encoded(prompt, answer)?;
        let (positions, tokens) = (self.positions, pair.tokens.len());
        ensure!(
            self.fits(&pair),
            "prompt and answer have {tokens} tokens; the model has {positions} positions"
        );
        Ok(pair)
    }

    pub(crate) fn fits(&self, pair: &EncodedPair) -> bool {
        pair.fits(self.positions)
    }

    /// An answer after its prompt. A space goes between two plain texts that have none there.
    pub(crate) fn encoded(&self, prompt: &Prompt, answer: &str) -> Result<EncodedPair> {
        ensure!(!answer.trim().is_empty(), "an empty answer");
        let context = self.context(prompt)?;
        let is_space = |c: Option<char>| c.is_none_or(char::is_whitespace);
        let joined = is_space(context.chars().next_back()) || is_space(answer.chars().next());
        let space = match joined || self.is_chat() {
            true => "",
            false => " ",
        };
        let answer = [space, answer].concat();
        Ok(self.tokenizer.encode_pair(&context, &answer)?)
    }

    /// Answers to be scored.
    pub(crate) fn request<'a>(
        &self,
        id: String,
        prompt: &Prompt,
        answers: impl Iterator<Item = &'a String>,
    ) -> Result<Request> {
        let candidate = |answer: &String| {
            Ok(Candidate {
                encoded: self.pair(prompt, answer)?,
                chars: answer.chars().count(),
                bytes: answer.len(),
                // Which are good is not asked here.
                kind: AnswerKind::Incorrect,
            })
        };
        let candidates: Vec<Candidate> = answers.map(candidate).collect::<Result<_>>()?;
        ensure!(!candidates.is_empty(), "no answers");
        Ok(Request {
            question_id: id,
            candidates,
        })
    }
}

/// What both heads think of the candidates of a plan, request by request.
pub(crate) fn scored(
    base: &Base,
    [positive, negative]: [&Adapter; 2],
    plan: &Plan,
    listener: &Listener,
) -> Result<Vec<Vec<Scored>>> {
    base.check_memory(base.scoring_bytes(plan))?;
    let positive = score_alone(base, HEADS[0], Some(positive), plan, listener)?;
    let negative = score_alone(base, HEADS[1], Some(negative), plan, listener)?;
    let both = positive.iter().zip(&negative);
    let mut scored = both.map(|(positive, negative)| Scored {
        positive: positive.log_likelihood,
        negative: negative.log_likelihood,
        chars: positive.chars,
    });
    let requests = plan.requests().iter();
    let of = |request: &Request| scored.by_ref().take(request.candidates.len()).collect();
    Ok(requests.map(of).collect())
}

/// A judge that is ready to be asked.
pub struct Judge {
    /// The base.
    pub base: Base,
    /// What its folder says.
    pub file: JudgeFile,
    /// The positive and the negative head.
    pub heads: [Adapter; 2],
    /// How it puts prompts and answers into tokens.
    pub format: Arc<Format>,
}

impl Judge {
    /// What `likra.toml` in a judge's folder says.
    ///
    /// # Errors
    ///
    /// If it is missing or malformed.
    pub fn read(dir: &Path) -> Result<JudgeFile> {
        let path = dir.join("likra.toml");
        ensure!(
            path.exists(),
            "{}: not found, so that there is no judge in this folder; `likra train --feedback FILE` makes one",
            path.display()
        );
        let text = read_text(&path)?;
        let file: JudgeFile = toml::from_str(&text).with_context(|| path.display().to_string())?;
        let Calibration {
            weight,
            slope,
            constant,
            ..
        } = file.calibration;
        let at = path.display();
        ensure!(
            weight.is_finite() && weight >= 0.0,
            "{at}: weight = {weight}: expected a number of at least 0"
        );
        for (name, value) in [("slope", slope), ("constant", constant)] {
            ensure!(
                value.is_finite(),
                "{at}: {name} = {value}: expected a finite number"
            );
        }
        Ok(file)
    }

    /// Opens the judge in `dir` on its base, whose files must be those that it was trained on.
    ///
    /// # Errors
    ///
    /// If a file is missing or refused, or the base is another.
    pub fn open(dir: &Path, base: Base) -> Result<Self> {
        let file = Self::read(dir)?;
        let found = base.hash(file.chat_template)?;
        ensure!(
            found == file.model_sha256,
            "{}: not the base of the heads in {}, which is {}: its files have hash {found}, expected {}",
            base.folder.display(),
            dir.display(),
            file.model,
            file.model_sha256
        );
        let open = |place: usize| {
            let folder = dir.join(HEADS[place]);
            let adapter = Adapter::load(&folder, base.device()?)?;
            base.config.check_adapter(&adapter)?;
            let (found, expected) = (head_hash(&folder)?, &file.heads_sha256[place]);
            ensure!(
                found == *expected,
                "{}: not the head that the judge was calibrated with: its files have hash {found}, {} expects \
                 {expected}; `likra train --feedback` makes both anew",
                folder.display(),
                dir.join("likra.toml").display()
            );
            Ok(adapter)
        };
        let (bos, today) = (file.training.bos, file.today.clone());
        Ok(Self {
            heads: [open(0)?, open(1)?],
            format: Format::open(&base, bos, file.chat_template, today)?.into(),
            base,
            file,
        })
    }

    /// A question in tokens.
    ///
    /// # Errors
    ///
    /// If it has no answers, an empty one, a label that is none of them, or one that is too long.
    pub fn request(&self, question: &Question) -> Result<Request> {
        let label = question.label.unwrap_or_default();
        let count = question.answers.len();
        ensure!(
            label < count.max(1),
            "label {label}: expected less than {count}"
        );
        let answers = question.answers.iter();
        self.format
            .request(String::new(), &question.prompt, answers)
    }

    /// What it thinks of these questions.
    ///
    /// # Errors
    ///
    /// If the model is refused, or a result is no number.
    pub fn judge(&self, requests: Vec<Request>, listener: &Listener) -> Result<Vec<Judgement>> {
        let plan = Plan::new(requests, self.base.placement.batch_tokens)?;
        let scored = scored(&self.base, self.heads.each_ref(), &plan, listener)?;
        let calibration = &self.file.calibration;
        Ok(scored.iter().map(|one| calibration.judge(one)).collect())
    }
}

/// The hash of a head's files.
pub(crate) fn head_hash(folder: &Path) -> Result<String> {
    let of = |path: &PathBuf| Ok(Input::of_file(path)?.sha256);
    let hashes: Vec<String> = Adapter::files(folder)
        .iter()
        .map(of)
        .collect::<Result<_>>()?;
    Ok(sha256(hashes.join("\n").as_bytes()))
}

impl Base {
    /// The hash of the files of the model and its tokenizer, and of the chat template if it is used.
    pub(crate) fn hash(&self, has_chat: bool) -> Result<String> {
        let mut paths = Model::files(&self.folder)?;
        paths.extend(Tokenizer::files(&self.folder));
        let hashes = paths.iter().map(|path| Ok(Input::of_file(path)?.sha256));
        let mut hashes: Vec<String> = hashes.collect::<Result<_>>()?;
        if has_chat {
            let template = Tokenizer::chat_template(&self.folder)?;
            hashes.push(sha256(template.source.as_bytes()));
        }
        Ok(sha256(hashes.join("\n").as_bytes()))
    }
}
