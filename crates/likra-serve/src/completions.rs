//! `/v1/completions` as far as it scores: `echo` and `logprobs`, as lm-eval sends and reads them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, from_str, json};
use tokio::task::block_in_place;

use crate::app::{App, Shared};
use crate::backend::Scored;
use crate::refusal::{Answer, Refusable, Refusal};
use crate::worker;

/// What is asked. What has no meaning where nothing is generated, such as `temperature`, is not looked at.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    model: Option<String>,
    prompt: Option<Box<RawValue>>,
    /// As vLLM has it.
    add_special_tokens: Option<bool>,
    echo: Option<bool>,
    logprobs: Value,
    max_tokens: Value,
    n: Value,
    best_of: Value,
    stream: Value,
    suffix: Value,
    logit_bias: Value,
}

/// A prompt as it was sent, if that was a text, and its token ids.
type Prompt = (Option<String>, Vec<u32>);

#[derive(Serialize)]
pub(crate) struct Completion {
    id: String,
    object: &'static str,
    created: u64,
    model: String,
    /// As text: a value of each number of a large answer would take much more room.
    choices: Vec<Box<RawValue>>,
    usage: Value,
}

pub(crate) async fn completions(
    State(app): Shared,
    Json(asked): Json<Asked>,
) -> Answer<Completion> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let model = asked.model(&app)?;
    asked.check()?;
    let prompts = asked.prompts(&app)?;
    let scores = match asked.is_scored() {
        true => {
            let ids = prompts.iter().map(|(_, ids)| (ids.len(), ids.clone()));
            let scores = |ids, reply| worker::Asked::Scores(model, ids, reply);
            app.ask(scores, ids.collect()).await?
        }
        false => Vec::new(),
    };
    let tokens: usize = prompts.iter().map(|(_, ids)| ids.len()).sum();
    let mut scores = scores.into_iter();
    let choices = prompts.into_iter().enumerate();
    let choices = choices.map(|(index, (text, ids))| {
        let scored = scores.next();
        let logprobs = scored.map(|scored| asked.logprobs(&app, &ids, &scored));
        let logprobs = logprobs.transpose()?;
        let text = match asked.echo {
            Some(true) => text.unwrap_or_else(|| app.text.decode(&ids)),
            _ => String::new(),
        };
        let choice =
            json!({"index": index, "text": text, "finish_reason": "length", "logprobs": logprobs});
        to_raw_value(&choice).map_err(Refusal::failed)
    });
    let choices = block_in_place(|| choices.collect::<Result<_, _>>())?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Ok(Json(Completion {
        id: format!("cmpl-{}", NUMBER.fetch_add(1, Ordering::Relaxed)),
        object: "text_completion",
        created: since.unwrap_or_default().as_secs(),
        model: app.settings.models[model].clone(),
        choices,
        usage: json!({"prompt_tokens": tokens, "completion_tokens": 0, "total_tokens": tokens}),
    }))
}

impl Asked {
    /// The model's place.
    fn model(&self, app: &App) -> Refusable<usize> {
        let (models, name) = (&app.settings.models, self.model.as_deref());
        let place = models.iter().position(|model| Some(model.as_str()) == name);
        place.ok_or_else(|| {
            let (name, models) = (name.unwrap_or_default(), models.join(", "));
            let message = format!("model: found {name:?}; expected one of {models}");
            let code = Some("model_not_found");
            Refusal::new(StatusCode::NOT_FOUND, code, Some("model"), message)
        })
    }

    fn is_scored(&self) -> bool {
        self.echo == Some(true) && !self.logprobs.is_null()
    }

    /// Refuses what would need more than scores of the prompt.
    fn check(&self) -> Refusable<()> {
        let tokens = match self.is_scored() {
            true => json!([0, 1]),
            // One token is what lm-eval asks for beside the scores. It does not read it.
            false => json!([0]),
        };
        for (param, found, accepted) in [
            ("n", &self.n, json!([null, 1])),
            ("best_of", &self.best_of, json!([null, 1])),
            ("stream", &self.stream, json!([null, false])),
            ("suffix", &self.suffix, json!([null, ""])),
            ("logit_bias", &self.logit_bias, json!([null, {}])),
            ("logprobs", &self.logprobs, json!([null, 0, 1])),
            ("max_tokens", &self.max_tokens, tokens),
        ] {
            let is_known = |all: &Vec<Value>| all.contains(found);
            if !accepted.as_array().is_some_and(is_known) {
                let why =
                    format!("found {found}; expected one of {accepted}: nothing is generated here");
                return Err(Refusal::value(param, why));
            }
        }
        Ok(())
    }

    /// The prompts: a text, texts, token ids, or lists of token ids.
    fn prompts(&self, app: &App) -> Refusable<Vec<Prompt>> {
        let raw = self.prompt.as_ref().map_or("nothing", |raw| raw.get());
        let kind = raw.chars().filter(|it| !it.is_whitespace()).take(2);
        let from_text = |text: String| {
            let ids = app.encode("prompt", &text, self.add_special_tokens != Some(false))?;
            Ok((Some(text), ids))
        };
        let from_ids = |ids| Ok((None, ids));
        let prompts: Result<Result<Vec<Prompt>, _>, _> = match kind.collect::<String>().as_str() {
            "[[" => from_str(raw).map(|all: Vec<_>| all.into_iter().map(from_ids).collect()),
            "[\"" => from_str(raw).map(|all: Vec<_>| all.into_iter().map(from_text).collect()),
            text if text.starts_with('"') => from_str(raw).map(|text| Ok(vec![from_text(text)?])),
            _ => from_str(raw).map(|ids| Ok(vec![from_ids(ids)?])),
        };
        let prompts = prompts.map_err(|_| {
            let found: String = raw.chars().take(60).collect();
            let expected = "a text, a list of texts, a list of token ids, or a list of such lists";
            Refusal::value("prompt", format!("found {found}; expected {expected}"))
        })??;
        let none = "found no tokens; expected at least one";
        for (_, ids) in &prompts {
            app.check_ids("prompt", ids)?;
            let most = app.settings.positions;
            match ids.len() {
                0 => return Err(Refusal::value("prompt", none)),
                tokens if tokens > most => return Err(Refusal::too_long("prompt", tokens, most)),
                _ => {}
            }
        }
        Ok(prompts)
    }

    /// One entry per token. The first token's values are null: nothing stands before it.
    fn logprobs(&self, app: &App, ids: &[u32], scored: &[Scored]) -> Refusable<Value> {
        if scored.len() + 1 != ids.len() {
            let found = format!("{} scores of {} tokens", scored.len(), ids.len());
            return Err(Refusal::failed(found));
        }
        let mut tokens: Vec<String> = ids.iter().map(|id| app.text.within(&[*id])).collect();
        let (mut values, mut tops) = (vec![None], vec![Value::Null]);
        for (place, one) in scored.iter().enumerate() {
            let (id, text) = (ids[place + 1], &tokens[place + 1]);
            let (value, best) = (nats(one.log_likelihood)?, nats(one.best.1)?);
            values.push(Some(value));
            let other = app.text.within(&[one.best.0]);
            tops.push(match other == *text {
                _ if one.best.0 == id => json!({other: value}),
                true => json!({other: value.max(best)}),
                false => json!({other: best, text: value}),
            });
        }
        // The place of a generated token, which lm-eval cuts off.
        if self.max_tokens == 1 {
            tokens.push(String::new());
            values.push(None);
            tops.push(Value::Null);
        }
        let offsets = offsets(app, ids, tokens.len());
        let tops = (self.logprobs == 1).then_some(tops);
        Ok(json!({
            "tokens": tokens, "token_logprobs": values, "top_logprobs": tops, "text_offset": offsets,
        }))
    }
}

/// Where each token begins, in characters: a part of a character at that character. Tokens beyond `ids` begin at the end.
fn offsets(app: &App, ids: &[u32], count: usize) -> Vec<usize> {
    let (mut offsets, mut end, mut open) = (Vec::new(), 0, 0);
    for place in 0..ids.len() {
        offsets.push(end);
        // What is alone no text may be one together with those before it, of which a character has four at most.
        let text = app.text.within(&ids[open..=place]);
        if !text.ends_with('\u{fffd}') || place - open >= 3 {
            end += text.chars().count();
            open = place + 1;
        }
    }
    offsets.resize(count, end);
    offsets
}

/// A log-likelihood as JSON has it, which knows no infinity. vLLM has the same bound.
fn nats(value: f32) -> Refusable<f64> {
    match value.is_nan() {
        true => Err(Refusal::failed("a log-likelihood is not a number")),
        false => Ok(f64::from(value.clamp(-9999.0, 9999.0))),
    }
}
