//! Joins who there is with where they are: a registry's PSAPs with lines of addresses.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::Misfit;
use super::sheet::{Columns, Row, Sheet};
use crate::config::{Id, Problem, PsapEntry};

/// The FCC's. Others than these are left alone: agencies add their own.
pub(super) const REGISTRY: Columns = Columns {
    required: &["PSAP ID", "PSAP Name"],
    optional: &["State", "County", "City", "Type of Change", "Comments"],
    others: true,
};

/// Our own: a line for each service, or one that names the site or gateway.
pub(super) const ADDRESSES: Columns = Columns {
    required: &["PSAP ID"],
    optional: &["Service", "Media", "Bind", "Admin", "Site", "Via"],
    others: false,
};

/// Longest name: what a configuration takes.
const NAME_BYTES_MAX: usize = 200;

/// What came of two files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Import {
    /// Entries of all PSAPs that have an address.
    pub psaps: Vec<PsapEntry>,
    /// How many PSAPs the registry names.
    pub registered: usize,
    /// What did not fit.
    pub misfits: Vec<Misfit>,
}

/// A PSAP of the registry, and what has been found about it.
struct Known {
    line: u64,
    entry: PsapEntry,
}

/// Joins both. Of a PSAP with a line that is wrong, what is right is taken all the same: an
/// address that is known is better protected than not.
pub(super) fn join(registry: &Sheet, addresses: &Sheet) -> Import {
    let mut found = Found::default();
    for row in &registry.rows {
        if let Err(misfit) = found.register(registry, row) {
            found.misfits.push(misfit);
        }
    }
    for row in &addresses.rows {
        found.locate(addresses, row);
    }
    let Found { order, mut known, misfits } = found;
    let mut import = Import { registered: order.len(), misfits, ..Import::default() };
    import.misfits.extend(registry.misfits.iter().chain(&addresses.misfits).cloned());
    for id in order {
        let Some(Known { line, entry }) = known.remove(&id) else { continue };
        if entry.services.is_empty() && entry.site.is_none() && entry.via.is_none() {
            let next = format!("add its services, site or via to {}", addresses.file);
            import.misfits.push(misfit(registry, line, &id, Problem::new("no address", next)));
        } else {
            import.psaps.push(entry);
        }
    }
    import.misfits.sort_by(|one, other| (&one.file, one.line).cmp(&(&other.file, other.line)));
    import
}

#[derive(Default)]
struct Found {
    /// Ids in the order of the registry.
    order: Vec<String>,
    known: BTreeMap<String, Known>,
    misfits: Vec<Misfit>,
}

impl Found {
    fn register(&mut self, sheet: &Sheet, row: &Row) -> Result<(), Misfit> {
        let written = sheet.value(row, "psapid");
        let wrong = |problem| misfit(sheet, row.line, written, problem);
        let id = Id::from_str(written).map_err(wrong)?;
        if let Some(first) = self.known.get(written) {
            return Err(wrong(Problem::new(
                format!("it is on line {} already", first.line),
                "take one of the two out",
            )));
        }
        let mut entry = PsapEntry::new(id);
        entry.name = name(sheet.value(row, "psapname"));
        self.order.push(written.to_owned());
        self.known.insert(written.to_owned(), Known { line: row.line, entry });
        Ok(())
    }

    /// Takes a line of addresses: each of its values that is right.
    fn locate(&mut self, sheet: &Sheet, row: &Row) {
        let id = sheet.value(row, "psapid");
        let value = |column| sheet.value(row, column);
        let mut wrong = Vec::new();
        match self.known.get_mut(id) {
            None => wrong.push(Problem::new(
                "the registry has no such PSAP",
                "correct the id, or add the PSAP to the registry",
            )),
            Some(Known { entry, .. }) => {
                let services = &mut entry.services;
                wrong.extend(add(services, value("service")));
                let mut media = entry.media.take().unwrap_or_default();
                wrong.extend(add(&mut media, value("media")));
                entry.media = (!media.is_empty()).then_some(media);
                wrong.extend(add(&mut entry.bind, value("bind")));
                wrong.extend(add(&mut entry.admin, value("admin")));
                wrong.extend(set(&mut entry.site, value("site")));
                wrong.extend(set(&mut entry.via, value("via")));
                let says = ["service", "site", "via"].map(value).iter().any(|it| !it.is_empty());
                if !says && wrong.is_empty() && entry.services.is_empty() {
                    wrong.push(Problem::new(
                        "neither service nor site nor via",
                        "write such as 198.51.100.10:5060/udp as its service",
                    ));
                }
            }
        }
        let misfits = wrong.into_iter().map(|problem| misfit(sheet, row.line, id, problem));
        self.misfits.extend(misfits);
    }
}

/// Adds values separated by spaces or semicolons; says of each other one what is wrong with it.
fn add<T: FromStr<Err = Problem> + PartialEq>(to: &mut Vec<T>, text: &str) -> Vec<Problem> {
    let mut wrong = Vec::new();
    let parts = text.split([' ', ';']).filter(|part| !part.is_empty());
    for part in parts {
        match part.parse() {
            Ok(value) if to.contains(&value) => {}
            Ok(value) => to.push(value),
            Err(problem) => wrong.push(problem),
        }
    }
    wrong
}

/// Sets what there is one of.
fn set(to: &mut Option<Id>, text: &str) -> Option<Problem> {
    if text.is_empty() {
        return None;
    }
    match (text.parse(), &to) {
        (Err(problem), _) => Some(problem),
        (Ok(id), Some(old)) if *old != id => {
            let reason = format!("it is {old} on another line");
            Some(Problem::new(reason, "a PSAP has one: take the wrong one out"))
        }
        (Ok(id), _) => {
            *to = Some(id);
            None
        }
    }
}

/// A name that fits a configuration. It is for people: what is too long is cut.
fn name(text: &str) -> Option<String> {
    let mut name = text.to_owned();
    while name.len() > NAME_BYTES_MAX {
        name.pop();
    }
    (!name.is_empty()).then_some(name)
}

fn misfit(sheet: &Sheet, line: u64, id: &str, Problem { reason, next }: Problem) -> Misfit {
    let psap = (!id.is_empty()).then(|| id.to_owned());
    Misfit { file: sheet.file.clone(), line, psap, reason, next }
}
