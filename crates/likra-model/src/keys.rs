//! The keys of a `config.json`, with the defaults of its family.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::{Error, Result};

/// What stands between braces in a JSON file.
pub(crate) type Object = Map<String, Value>;

/// What a `config.json` says, and what its family says where it is silent.
pub(crate) struct Keys<'a> {
    pub(crate) path: &'a Path,
    keys: Object,
}

impl<'a> Keys<'a> {
    /// `given` over the `defaults` of a family. transformers passes over a key that the family's class does
    /// not have, and so does this: it is as if it were not there.
    pub(crate) fn new(path: &'a Path, mut defaults: Object, given: Object) -> Result<Self> {
        refuse_unknown_functions(path, &given, &defaults)?;
        let read = |key: &String| {
            defaults.contains_key(key)
                || ["model_type", "n_positions", "rope_parameters"].contains(&&**key)
        };
        let given: Vec<_> = given.into_iter().filter(|(key, _)| read(key)).collect();
        defaults.extend(given);
        Ok(Self {
            path,
            keys: defaults,
        })
    }

    /// The value of a key; null if the family does not have it.
    pub(crate) fn value(&self, key: &str) -> &Value {
        self.keys.get(key).unwrap_or(&Value::Null)
    }

    /// The value of a key as a `T`, which may be an `Option`.
    pub(crate) fn get<T: DeserializeOwned>(&self, key: &'static str) -> Result<T> {
        T::deserialize(self.value(key)).map_err(|error| {
            let message = error.to_string();
            let expected = message.rsplit("expected ").next().unwrap_or(&message);
            self.refused(key, expected)
        })
    }

    /// The value of a key that is above 0 if it is there.
    pub(crate) fn positive(&self, key: &'static str) -> Result<Option<f64>> {
        let number: Option<f64> = self.get(key)?;
        match number.filter(|number| *number <= 0.0 || number.is_nan()) {
            Some(number) => Err(self.invalid(key, &number.into(), "a number above 0, or null")),
            None => Ok(number),
        }
    }

    /// Whether a key is there and true.
    pub(crate) fn flag(&self, key: &'static str) -> Result<bool> {
        Ok(self.get::<Option<bool>>(key)?.unwrap_or(false))
    }

    /// The value of a key is not what is expected.
    pub(crate) fn refused(&self, key: &'static str, expected: &str) -> Error {
        self.invalid(key, self.value(key), expected)
    }

    pub(crate) fn invalid(&self, key: &'static str, found: &Value, expected: &str) -> Error {
        invalid(self.path, key, found, expected)
    }
}

/// Refuses keys that change what a model of any family computes, and that are not implemented.
fn refuse_unknown_functions(path: &Path, given: &Object, defaults: &Object) -> Result<()> {
    let one_of: [(&'static str, &[Value], &str); 6] = [
        (
            "partial_rotary_factor",
            &[1.0.into(), 1.into()],
            "1, or no such key: only rotations of whole heads are computed",
        ),
        (
            "quantization_config",
            &[],
            "no such key: quantised weights are not supported",
        ),
        ("pruned_heads", &[json!({})], "no pruned heads"),
        ("chunk_size_feed_forward", &[0.into()], "0"),
        (
            "transformers_weights",
            &[],
            "no such key: the weights are model.safetensors or its shards",
        ),
        (
            "use_bidirectional_attention",
            &[false.into()],
            "false: tokens see only what stands before them",
        ),
    ];
    for (key, accepted, expected) in one_of {
        let found = given.get(key).unwrap_or(&Value::Null);
        if !found.is_null() && !defaults.contains_key(key) && !accepted.contains(found) {
            return Err(invalid(path, key, found, expected));
        }
    }
    Ok(())
}

pub(crate) fn invalid(path: &Path, key: &'static str, found: &Value, expected: &str) -> Error {
    Error::Config(path.into(), key, found.to_string(), expected.into())
}
