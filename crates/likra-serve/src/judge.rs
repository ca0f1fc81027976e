//! `/v1/judge`: which of several answers is the best, and how good each is. `/v1/judge/context`: what the heads read before
//! an answer.

use axum::Json;
use axum::extract::State;
use likra_judge::{Prompt, Question};
use serde::Deserialize;
use serde_json::json;

use crate::app::{App, Shared};
use crate::refusal::{Answer, Refusable, Refusal};
use crate::worker;

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected {\"prompt\": text or messages, \"answers\": [texts]}, or several as {\"questions\": [...]}"
)]
pub(crate) enum Asked {
    Many { questions: Vec<Question> },
    One(Question),
}

pub(crate) async fn judge(State(app): Shared, Json(asked): Json<Asked>) -> Answer {
    let (questions, is_one) = match asked {
        Asked::Many { questions } => (questions, false),
        Asked::One(question) => (vec![question], true),
    };
    let questions = questions.into_iter();
    // Nothing depends on which answer is right.
    let questions = questions.map(|one| Question { label: None, ..one });
    let questions = questions.map(|one| Ok((tokens(&app, &one)?, one)));
    let questions = questions.collect::<Result<_, _>>()?;
    let answers = app.ask(worker::Asked::Judgements, questions).await?;
    let judgements: Result<Vec<_>, _> = answers.into_iter().collect();
    let judgements = judgements.map_err(|why| Refusal::value("prompt", why))?;
    Ok(Json(match is_one {
        true => json!(judgements.first()),
        false => json!({"judgements": judgements}),
    }))
}

#[derive(Deserialize)]
pub(crate) struct Read {
    prompt: Prompt,
}

pub(crate) async fn context(State(app): Shared, Json(Read { prompt }): Json<Read>) -> Answer {
    let (context, chat) = app.context(&prompt)?;
    Ok(Json(json!({"context": context, "chat": chat})))
}

/// The tokens of a question's prompt and answers; exactly how the judge joins them is its own affair.
fn tokens(app: &App, question: &Question) -> Refusable<usize> {
    if question.answers.is_empty() {
        let why = "found none; expected at least one";
        return Err(Refusal::value("answers", why));
    }
    let most = app.settings.positions;
    let (context, _) = app.context(&question.prompt)?;
    let prompt = app.encode("prompt", &context, false)?.len();
    question.answers.iter().try_fold(prompt, |all, answer| {
        let own = app.encode("answers", answer, false)?.len();
        match prompt + own > most {
            true => Err(Refusal::too_long("answers", prompt + own, most)),
            false => Ok(all + own),
        }
    })
}
