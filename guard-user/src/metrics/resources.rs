//! Metrics of what can be used up: places in the tables of calls, kernel memory, room for the log.

use guard_common::abi::state::{Cells, switch};
use guard_common::pins;

use super::catalogue as of;
use super::family::Family;
use crate::kernel::pins::PinDir;
use crate::kernel::{KernelError, clock, object, table};
use crate::logging;

/// How many places of each table of calls are taken.
pub fn pins(pins: &PinDir) -> Result<[Family; 2], KernelError> {
    let (mut used, mut most) = (of::PINS.family(), of::PINS_MOST.family());
    let now = clock::now();
    for cells in pins::TABLES {
        let mut taken = 0;
        table::first_words(&pins.state(cells.map()), cells, |word| {
            taken += u64::from(pins::is_taken(cells, word, now));
        })?;
        used.add_count([word(cells)], taken);
        most.add_count([word(cells)], u64::from(cells.count(0)));
    }
    Ok([used, most])
}

/// A table of calls in people's words.
const fn word(cells: Cells) -> &'static str {
    match cells {
        Cells::Pins => "conversations",
        Cells::Ports => "ports",
        Cells::Fragments => "fragments",
        Cells::Connections => "connections",
        Cells::Source
        | Cells::Psap
        | Cells::Tentative
        | Cells::Segments
        | Cells::Open
        | Cells::Samples => "other",
    }
}

/// What the maps of state and of the live generation take.
pub fn memory(pins: &PinDir) -> Result<Family, KernelError> {
    let generation = pins.generation(pins.switches()?.get(switch::GENERATION)?);
    let state = object::STATE_MAPS.into_iter().map(|map| (map, pins.state(map)));
    let policy = object::POLICY_MAPS.into_iter().map(|map| (map, generation.join(map)));
    let mut memory = of::MEMORY.family();
    for (map, path) in state.chain(policy) {
        if let Some(bytes) = table::bytes(&path) {
            memory.add_count([map], bytes);
        }
    }
    Ok(memory)
}

/// Lines of the log that nobody will see; those of the kernel half are alarms.
pub fn lost_lines() -> Family {
    let mut lost = of::LOST_LINES.family();
    lost.add_count([], logging::lost());
    lost
}
