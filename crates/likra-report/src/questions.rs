//! The page of single questions. The data are in it as JSON, and a script draws what is asked for.

use likra_analysis::{Findings, QuestionRow};
use maud::{PreEscaped, html};
use serde_json::{Value, json};

use crate::page::document;

/// The page but for its data. Words in braces stand for what [`render`] puts there.
const TEXT: &str = include_str!("questions.html");
const SCRIPT: &str = include_str!("questions.js");

/// The page as an HTML document that needs nothing but itself.
pub(crate) fn render(findings: &Findings, title: &str) -> String {
    // A script ends where it says so, also within a string.
    let data = data(findings).to_string().replace('<', "\\u003c");
    let text = TEXT.replace("{questions}", &findings.questions.to_string());
    let text = text.replace("{by}", findings.norm.describe());
    let body = html! {
        h1 { "Single questions: " (title) }
        (PreEscaped(text))
        script type="application/json" id="data" { (PreEscaped(data)) }
        script { (PreEscaped(SCRIPT)) }
    };
    document(&format!("Single questions: {title}"), &body)
}

/// Everything that the script shows. Numbers are whole, which takes less room: log-likelihoods are in hundredths of
/// a nat, margins in ten-thousandths.
fn data(findings: &Findings) -> Value {
    let single = &findings.single;
    let whole = |value: f64, times: f64| (value * times).round() as i64;
    let row = |row: &QuestionRow| {
        let nats = |scores: &Vec<f64>| scores.iter().map(|&nats| whole(nats, 100.0)).collect();
        let nats: Vec<Vec<i64>> = row.log_likelihoods.iter().map(nats).collect();
        let margins = row.margins.iter();
        let margins = margins.map(|margin| margin.map(|margin| whole(margin, 10_000.0)));
        let margins: Vec<Option<i64>> = margins.collect();
        json!([row.id, row.right, row.chars, nats, row.taken, margins])
    };
    let methods = single.methods.iter();
    let methods = methods.map(|(method, examples)| (method.name(), method.label(), examples));
    json!({
        "heads": single.heads,
        "methods": methods.collect::<Vec<_>>(),
        "questions": single.rows.iter().map(row).collect::<Vec<_>>(),
    })
}
