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
    /// The piece of work is done.
    Ended {
        /// A word beside the summary.
        note: String,
    },
    /// A line for people.
    Said(String),
}

/// Who hears of the work.
pub type Listener<'a> = dyn Fn(Event) + 'a;
