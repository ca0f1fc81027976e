//! What long work says while it goes on, for whoever shows it to people.

/// News of long work.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A piece of work begins.
    Begun {
        /// What it is.
        title: String,
        /// How much there is to do.
        total: usize,
        /// What is counted, such as `questions`.
        unit: &'static str,
    },
    /// So much was done in an earlier run.
    Resumed(usize),
    /// A part is done.
    Advanced {
        /// How much more is done.
        more: usize,
        /// A word beside the count.
        note: String,
    },
    /// The piece of work is done, with a word beside the summary.
    Ended(String),
    /// A line for people.
    Said(String),
}

impl Event {
    /// A piece of work begins: what it is, how much there is to do, and what is counted.
    #[must_use]
    pub fn begun(title: impl Into<String>, total: usize, unit: &'static str) -> Self {
        Self::Begun {
            title: title.into(),
            total,
            unit,
        }
    }

    /// So much more is done.
    #[must_use]
    pub fn advanced(more: usize, note: impl Into<String>) -> Self {
        Self::Advanced {
            more,
            note: note.into(),
        }
    }
}

/// Who hears of the work.
pub type Listener<'a> = dyn Fn(Event) + 'a;
