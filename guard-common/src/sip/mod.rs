//! Bounded reading of SIP: no message is parsed here, only looked at.

mod automaton;
pub mod headers;
pub mod start_line;
