//! `/tokenizer_info`, `/tokenize` and `/detokenize`, with which lm-eval needs no tokenizer of its own. vLLM has the same.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::json;

use crate::app::Shared;
use crate::backend::SpecialTokens;
use crate::refusal::Answer;

pub(crate) async fn info(State(app): Shared) -> Json<SpecialTokens> {
    Json(app.text.special())
}

#[derive(Deserialize)]
pub(crate) struct Tokenize {
    prompt: String,
    add_special_tokens: Option<bool>,
    return_token_strs: Option<bool>,
}

pub(crate) async fn tokenize(State(app): Shared, Json(asked): Json<Tokenize>) -> Answer {
    let special = asked.add_special_tokens != Some(false);
    let ids = app.encode("prompt", &asked.prompt, special)?;
    let (count, most) = (ids.len(), app.settings.positions);
    let mut answer = json!({"count": count, "max_model_len": most, "tokens": ids});
    if asked.return_token_strs == Some(true) {
        answer["token_strs"] = ids.iter().map(|id| app.text.within(&[*id])).collect();
    }
    Ok(Json(answer))
}

#[derive(Deserialize)]
pub(crate) struct Detokenize {
    tokens: Vec<u32>,
}

pub(crate) async fn detokenize(State(app): Shared, Json(asked): Json<Detokenize>) -> Answer {
    app.check_ids("tokens", &asked.tokens)?;
    Ok(Json(json!({"prompt": app.text.decode(&asked.tokens)})))
}
