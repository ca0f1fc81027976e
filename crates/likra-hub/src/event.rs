//! What long work says while it goes on, for whoever shows it to people.

/// News of long work.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A piece of work begins: what it is, how much there is to do, and what is counted, such as
    /// `questions`.
    Begun(String, usize, &'static str),
    /// So much was done in an earlier run.
    Resumed(usize),
    /// So much more is done, with a word beside the count.
    Advanced(usize, String),
    /// The piece of work is done, with a word beside the summary.
    Ended(String),
    /// A line for people.
    Said(String),
}

/// Who hears of the work.
pub type Listener<'a> = dyn Fn(Event) + 'a;
