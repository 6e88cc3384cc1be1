//! Bounded reading of SIP: no message is parsed here, only looked at.

pub mod automaton;
pub mod start_line;
