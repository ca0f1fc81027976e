//! What was asked: a text, or the messages of a chat.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Who says what in a chat.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// The text.
    pub content: String,
}

impl TryFrom<Map<String, Value>> for Message {
    type Error = String;

    /// Calls of tools and whatever else a message may have do not reach the chat template.
    fn try_from(mut keys: Map<String, Value>) -> std::result::Result<Self, String> {
        let mut text = |name: &str| match keys.remove(name) {
            Some(Value::String(text)) => Ok(text),
            _ => Err(format!("expected a text as {name} of a message")),
        };
        let (role, content) = (text("role")?, text("content")?);
        match keys.iter().find(|(_, value)| !is_empty(value)) {
            Some((key, _)) => Err(format!(
                "a message has {key}; expected role and content alone"
            )),
            None => Ok(Self { role, content }),
        }
    }
}

/// Whether a cell or a key says nothing.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(keys) => keys.is_empty(),
        other => other.is_null(),
    }
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "a text, or a list of messages with role and content and no other keys"
)]
pub enum Prompt {
    /// A text that the answer continues.
    Text(String),
    /// Messages that a checkpoint's chat template puts into a text.
    Chat(Vec<Message>),
}

impl Prompt {
    /// As messages: a text is a user's.
    pub(crate) fn messages(&self) -> Vec<Message> {
        match self {
            Self::Chat(messages) => messages.clone(),
            Self::Text(content) => vec![Message {
                role: "user".into(),
                content: content.clone(),
            }],
        }
    }
}
