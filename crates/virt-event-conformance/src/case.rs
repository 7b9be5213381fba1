use std::fmt;

use crate::{Capabilities, Config, Exam, Factory, Subject};

/// One question of the exam.
pub struct Case {
    /// Begins with the id of the contract's clause: `h05_same_fd_twice`.
    pub name: &'static str,
    /// What the subject must be able to do for the question to make sense.
    pub needs: Capabilities,
    /// How the subject is to be set up.
    pub config: fn() -> Config,
    /// Panics if the subject breaks the clause. The runner finishes the
    /// [`Exam`] afterwards, which checks what every case shares.
    pub run: fn(&Exam),
    /// A broken subject that must fail this case.
    pub mutant: Mutant,
}

/// A deliberately broken subject, the proof that a case can fail.
#[derive(Clone, Copy)]
pub enum Mutant {
    /// Makes a broken subject, usually by wrapping a right one.
    Broken {
        /// What is wrong with it, in a few words.
        fault: &'static str,
        /// Makes it, out of a right one's factory.
        make: fn(Factory, &Config) -> Box<dyn Subject>,
    },
    /// Why no broken subject can be made for this case.
    Impossible(&'static str),
}

impl Case {
    /// A case that needs nothing special; see [`needs`](Self::needs) and
    /// [`config`](Self::config).
    pub const fn new(name: &'static str, run: fn(&Exam), mutant: Mutant) -> Self {
        Self {
            name,
            needs: Capabilities::empty(),
            config: Config::default,
            run,
            mutant,
        }
    }

    /// This case, for subjects with these capabilities only.
    pub const fn needs(mut self, needs: Capabilities) -> Self {
        self.needs = needs;
        self
    }

    /// This case, with the subject set up by `config`.
    pub const fn config(mut self, config: fn() -> Config) -> Self {
        self.config = config;
        self
    }

    /// The id of the contract's clause, such as `H5`.
    pub fn clause(&self) -> String {
        let (letter, rest) = self.name.split_at(1);
        let number = rest.split('_').next().unwrap_or(rest);
        format!(
            "{}{}",
            letter.to_uppercase(),
            number.trim_start_matches('0')
        )
    }
}

impl Mutant {
    /// A broken subject: what is wrong with it, and how it is made.
    pub const fn broken(
        fault: &'static str,
        make: fn(Factory, &Config) -> Box<dyn Subject>,
    ) -> Self {
        Self::Broken { fault, make }
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
