//! `likra serve`: the base, both heads and their ratio behind HTTP.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use likra_experiment::{Format, Judge};
use likra_judge::{Judgement, Prompt, Question};
use likra_score::{Reader, Reading};
use likra_serve::{Backend, Scored, Settings, SpecialTokens, Text, serve, stop_signal};
use likra_tokenizer::{Bos, Tokenizer};

use crate::cli::ServeArgs;
use crate::progress::{listener, say};

/// The models by name. The last is the ratio of the two before it.
const MODELS: [&str; 4] = ["base", "positive", "negative", "likra"];

/// Serves a judge until the process is told to stop.
pub(crate) fn run(arguments: &ServeArgs) -> Result<()> {
    let show = listener();
    let (host, port) = (arguments.host, arguments.port);
    let socket = TcpListener::bind((host, port));
    let socket = socket.with_context(|| format!("{host}:{port}"))?;
    let judge = arguments.judge.open(&show)?;
    let base = &judge.base;
    let (model, batch_tokens) = (base.model()?, base.placement.batch_tokens);
    let [positive, negative] = judge.heads.each_ref().map(Some);
    let readers = [None, positive, negative].map(|head| Reader::new(model, head, batch_tokens));
    let (models, vocabulary) = (MODELS.map(String::from).to_vec(), base.config.vocab_size);
    let token = arguments.token.clone();
    ensure!(
        token.as_deref() != Some(""),
        "--token: expected a text that is not empty"
    );
    // A variable that is empty is as good as none.
    let of_variable = std::env::var("LIKRA_TOKEN").ok();
    let token = token.or(of_variable.filter(|token| !token.is_empty()));
    let settings = Settings {
        token,
        queue: arguments.queue as usize,
        deadline: Duration::from_secs(arguments.deadline),
        batch_tokens,
        ..Settings::new(models, vocabulary as u32, base.config.max_positions)
    };
    let tokenizer = Tokenizer::open(&base.folder, Bos::Auto)?;
    let template = Tokenizer::chat_template(&base.folder);
    let text = Tokens {
        before: tokenizer.encode_bare("a").unwrap_or_default(),
        inner: tokenizer,
        format: judge.format.clone(),
        template: template.ok().map(|template| template.source),
    };
    let (address, device) = (socket.local_addr()?, &base.placement.name);
    say!("http://{address}: {} on {device}", judge.file.model);
    let mut backend = Models {
        judge: &judge,
        readers,
    };
    serve(socket, settings, text, &mut backend, stop_signal())?;
    say!("Stopped.");
    Ok(())
}

/// What answers.
struct Models<'a> {
    judge: &'a Judge,
    /// The base's, the positive head's and the negative head's.
    readers: [Reader<'a>; 3],
}

impl Models<'_> {
    fn read(&mut self, model: usize, prompts: &[Vec<u32>]) -> Result<Vec<Vec<Reading>>> {
        if let Some(reader) = self.readers.get_mut(model) {
            return Ok(reader.read(prompts)?);
        }
        let negative = self.readers[2].read(prompts)?;
        let mut found = self.readers[1].read(prompts)?;
        let weight = self.judge.file.calibration.weight as f32;
        // Each token but the first of every text.
        let tokens = prompts.iter().flat_map(|prompt| prompt.iter().skip(1));
        let both = found.iter_mut().flatten().zip(negative.iter().flatten());
        for ((found, negative), token) in both.zip(tokens) {
            found.log_likelihood -= weight * negative.log_likelihood;
            // Which token has the highest ratio nobody has looked for.
            found.likeliest = (*token, found.log_likelihood);
        }
        Ok(found)
    }
}

impl Backend for Models<'_> {
    fn score(&mut self, model: usize, prompts: &[Vec<u32>]) -> Result<Vec<Vec<Scored>>, String> {
        let found = self.read(model, prompts);
        let found = found.map_err(|error| error.to_string())?.into_iter();
        let scored = |reading: Reading| Scored {
            log_likelihood: reading.log_likelihood,
            best: reading.likeliest,
        };
        let scored = found.map(|text| text.into_iter().map(scored).collect());
        Ok(scored.collect())
    }

    fn judge(&mut self, questions: &[Question]) -> Result<Vec<Result<Judgement, String>>, String> {
        let said = |error: anyhow::Error| format!("{error:#}");
        let request = |question| self.judge.request(question).map_err(said);
        let requests: Vec<_> = questions.iter().map(request).collect();
        let good: Vec<_> = requests.iter().flatten().cloned().collect();
        let mut judged = Vec::new().into_iter();
        if !good.is_empty() {
            judged = self.judge.judge(good, &|_| ()).map_err(said)?.into_iter();
        }
        let mut judgement = || judged.next().ok_or_else(|| "no judgement".to_owned());
        let answers = requests.into_iter();
        let answers = answers.map(|request| request.and_then(|_| judgement()));
        Ok(answers.collect())
    }
}

/// The tokenizer as clients see it.
struct Tokens {
    inner: Tokenizer,
    format: Arc<Format>,
    /// The checkpoint's chat template, if it has one.
    template: Option<String>,
    /// A token in the middle of a text: some tokenizers drop the space that another begins with at a text's beginning.
    before: Vec<u32>,
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

    fn within(&self, ids: &[u32]) -> String {
        let before = self.decode(&self.before);
        let text = self.decode(&[&self.before[..], ids].concat());
        let own = text.strip_prefix(&before);
        own.map_or_else(|| self.decode(ids), String::from)
    }

    fn context(&self, prompt: &Prompt) -> Result<(String, bool), String> {
        let context = self.format.context(prompt);
        let context = context.map_err(|error| format!("{error:#}"))?;
        Ok((context, self.format.is_chat()))
    }

    fn special(&self) -> SpecialTokens {
        let [bos_token, eos_token, pad_token] = self.inner.special_texts.clone();
        SpecialTokens {
            eos_token,
            bos_token,
            pad_token,
            chat_template: self.template.clone(),
        }
    }
}
