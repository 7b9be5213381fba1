//! The example program `console`, run as a user runs it: in a terminal, or with
//! pipes.

mod on_terminal;
mod piped;
mod pseudo_terminal;

pub use self::on_terminal::OnTerminal;
pub use self::piped::{Ended, Piped};
pub use self::pseudo_terminal::PseudoTerminal;
