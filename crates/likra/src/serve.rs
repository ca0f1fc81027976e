//! `likra serve`: the base, both heads and their ratio behind HTTP.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context as _, Result};
use likra_experiment::{Format, Judge};
use likra_judge::{Judgement, Prompt, Question};
use likra_score::{Reader, Reading};
use likra_serve::{Backend, Scored, Settings, SpecialTokens, Text, serve, stop_signal};
use likra_tokenizer::{Bos, ChatTemplate, Tokenizer};

use crate::cli::ServeArgs;
use crate::progress::{listener, say};

/// The models by name. The last is the ratio of the two before it.
const MODELS: [&str; 4] = ["base", "positive", "negative", "likra"];

/// Serves a judge until the process is told to stop.
pub(crate) fn run(arguments: &ServeArgs) -> Result<()> {
    let show = listener();
    let address = (arguments.host, arguments.port);
    let socket = TcpListener::bind(address);
    let socket = socket.with_context(|| format!("{}:{}", arguments.host, arguments.port))?;
    let judge = arguments.judge.open(&show)?;
    let (base, format) = (&judge.base, judge.format()?);
    let (model, batch) = (base.model()?, base.placement.batch_tokens);
    let [positive, negative] = judge.heads.each_ref().map(Some);
    let readers = [None, positive, negative].map(|head| Reader::new(model, head, batch));
    let models = MODELS.map(String::from).to_vec();
    let settings = Settings {
        token: arguments
            .token
            .clone()
            .or(std::env::var("LIKRA_TOKEN").ok()),
        queue: arguments.queue.max(1),
        deadline: Duration::from_secs(arguments.deadline),
        batch_tokens: batch,
        ..Settings::new(
            models,
            base.config.vocab_size as u32,
            base.config.max_positions,
        )
    };
    let text = Tokens::open(&judge)?;
    let mut backend = Models {
        judge: &judge,
        format,
        readers,
    };
    say!(
        "http://{}: {} on {}",
        socket.local_addr()?,
        judge.file.model,
        base.placement.name
    );
    serve(socket, settings, text, &mut backend, stop_signal())?;
    say!("Stopped.");
    Ok(())
}

/// What answers.
struct Models<'a> {
    judge: &'a Judge,
    format: Format,
    /// The base's, the positive head's and the negative head's.
    readers: [Reader<'a>; 3],
}

impl Models<'_> {
    fn read(
        &mut self,
        model: usize,
        prompts: &[Vec<u32>],
    ) -> likra_score::Result<Vec<Vec<Reading>>> {
        if let Some(reader) = self.readers.get_mut(model) {
            return reader.read(prompts);
        }
        let negative = self.readers[2].read(prompts)?;
        let mut found = self.readers[1].read(prompts)?;
        let weight = self.judge.file.calibration.weight as f32;
        for (found, negative) in found.iter_mut().flatten().zip(negative.iter().flatten()) {
            found.log_likelihood -= weight * negative.log_likelihood;
            // Which token has the highest ratio nobody has looked for.
            found.likeliest.1 = found.log_likelihood;
        }
        Ok(found)
    }
}

impl Backend for Models<'_> {
    fn score(&mut self, model: usize, prompts: &[Vec<u32>]) -> Result<Vec<Vec<Scored>>, String> {
        let found = self
            .read(model, prompts)
            .map_err(|error| error.to_string())?;
        let scored = |reading: Reading| Scored {
            log_likelihood: reading.log_likelihood,
            best: reading.likeliest,
        };
        Ok(found
            .into_iter()
            .map(|text| text.into_iter().map(scored).collect())
            .collect())
    }

    fn judge(&mut self, questions: &[Question]) -> Result<Vec<Result<Judgement, String>>, String> {
        let said = |error: anyhow::Error| format!("{error:#}");
        let request = |question| self.judge.request(&self.format, question).map_err(said);
        let requests: Vec<_> = questions.iter().map(request).collect();
        let good: Vec<_> = requests.iter().flatten().cloned().collect();
        let mut judged = Vec::new().into_iter();
        if !good.is_empty() {
            judged = self.judge.judge(good, &|_| ()).map_err(said)?.into_iter();
        }
        let mut judgement = || judged.next().ok_or_else(|| "no judgement".to_owned());
        let answers = requests
            .into_iter()
            .map(|request| request.and_then(|_| judgement()));
        Ok(answers.collect())
    }
}

/// The tokenizer as clients see it.
struct Tokens {
    inner: Tokenizer,
    format: Format,
    /// The checkpoint's chat template, if it has one.
    template: Option<String>,
    /// A token in the middle of a text: some tokenizers drop the space that another begins with at a text's beginning.
    before: Vec<u32>,
}

impl Tokens {
    fn open(judge: &Judge) -> Result<Self> {
        let folder = &judge.base.folder;
        let inner = Tokenizer::open(folder, Bos::Auto)?;
        Ok(Self {
            format: judge.format()?,
            template: ChatTemplate::read(folder).ok().map(|read| read.source),
            before: inner.encode_bare("a").unwrap_or_default(),
            inner,
        })
    }
}

impl Text for Tokens {
    fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, String> {
        let ids = match special {
            true => self.inner.encode(text),
            false => self.inner.encode_bare(text),
        };
        ids.map_err(|error| error.to_string())
    }

    fn decode(&self, ids: &[u32]) -> String {
        self.inner.decode(ids)
    }

    fn token(&self, id: u32) -> String {
        let (before, with) = (
            self.decode(&self.before),
            [&self.before[..], &[id]].concat(),
        );
        let text = self.decode(&with);
        text.strip_prefix(&before)
            .map_or_else(|| self.decode(&[id]), String::from)
    }

    fn context(&self, prompt: &Prompt) -> Result<(String, bool), String> {
        let context = self.format.context(prompt);
        let context = context.map_err(|error| format!("{error:#}"))?;
        Ok((context, self.format.is_chat()))
    }

    fn special(&self) -> SpecialTokens {
        let [bos, eos, pad] = self.inner.special_texts.clone();
        SpecialTokens {
            eos_token: eos,
            bos_token: bos,
            pad_token: pad,
            chat_template: self.template.clone(),
        }
    }
}
