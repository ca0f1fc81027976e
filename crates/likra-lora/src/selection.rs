//! The keys by which PEFT leaves out some of the modules that `target_modules` names.

use serde::Deserialize;

use crate::{LoraConfig, Result, TargetModules};

/// What an adapter's configuration selects, if it has such a key.
#[derive(Debug)]
pub(crate) struct Selection {
    /// With `target_modules` as they stand in the file.
    pub(crate) config: LoraConfig,
    pub(crate) layers: Option<OneOrMore<usize>>,
    pub(crate) patterns: Option<OneOrMore<String>>,
    pub(crate) excluded: Option<TargetModules>,
}

/// One value, or several.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected one value or a list")]
pub(crate) enum OneOrMore<T> {
    One(T),
    More(Vec<T>),
}

impl<T> OneOrMore<T> {
    fn all(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::More(all) => all,
        }
    }
}

impl Selection {
    /// Whether any of its keys says something.
    pub(crate) fn selects(&self) -> bool {
        let has_layers = self.layers.iter().any(|all| !all.all().is_empty());
        let mut patterns = self.patterns.iter().flat_map(OneOrMore::all);
        let excludes = match &self.excluded {
            None => false,
            Some(TargetModules::Names(names)) => !names.is_empty(),
            Some(TargetModules::Pattern(pattern)) => !pattern.is_empty(),
        };
        has_layers || excludes || patterns.any(|one| !one.is_empty())
    }

    /// Whether PEFT gives the module an update (`check_target_module_exists`).
    pub(crate) fn keeps(&self, module: &str) -> Result<bool> {
        if let Some(excluded) = &self.excluded
            && excluded.name("exclude_modules", module)?
        {
            return Ok(false);
        }
        let layers = self.layers.as_ref().map(OneOrMore::all);
        let is_there = |layers: &[usize]| {
            let layer = self.layer(module);
            layer.is_some_and(|layer| layers.contains(&layer))
        };
        let layers = layers.filter(|layers| !layers.is_empty());
        Ok(layers.is_none_or(is_there) && self.config.targets(module)?)
    }

    /// The number of the layer that a module is in: the last in its path, behind one of the patterns if there are any.
    fn layer(&self, module: &str) -> Option<usize> {
        let patterns: Vec<&String> = self.patterns.iter().flat_map(OneOrMore::all).collect();
        let parts: Vec<&str> = module.split('.').collect();
        let inner = parts.len().checked_sub(1)?;
        let behind = |name: &str| patterns.is_empty() || patterns.iter().any(|one| *one == name);
        let places = (1..inner).rev().filter(|&place| behind(parts[place - 1]));
        places
            .into_iter()
            .find_map(|place| parts[place].parse().ok())
    }
}
