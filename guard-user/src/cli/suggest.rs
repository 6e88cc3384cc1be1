//! `guard suggest`: who talks to the elements and is in no entry, as lines to paste.

use std::time::{Duration, SystemTime};

use anyhow::{Result, bail};
use guard_user::config::Samples;
use guard_user::live::Live;
use guard_user::recorded::Store;
use guard_user::recorded::suggest::{Evidence, LeftOut, Suggestion, Suggestions};

use super::table::{self, count, short};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// How far to look back, at most 24h
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = humantime::parse_duration)]
    since: Duration,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(live: &Live, Arguments { since, json }: &Arguments) -> Result<()> {
    let config = live.effective()?;
    if !config.samples.enabled {
        bail!(
            "no traffic is recorded\n  next: set enabled = true in [samples], `guard run` anew, and \
             ask again when calls have come"
        );
    }
    let begin = SystemTime::now().checked_sub((*since).min(Samples::KEEP_MAX));
    let begin = begin.unwrap_or(SystemTime::UNIX_EPOCH);
    let store = Store::new(live.store.path());
    let suggestions = Suggestions::new(store.frames(begin), &config);
    if *json {
        return table::json(&serde_json::json!({
            "since": humantime::format_rfc3339_seconds(begin).to_string(),
            "suggestions": suggestions.entries,
            "left_out": suggestions.left_out,
            "more_left_out": suggestions.more_left_out,
        }));
    }
    print(&suggestions, begin);
    Ok(())
}

/// Prints TOML: what is no entry is a comment.
fn print(Suggestions { entries, left_out, more_left_out }: &Suggestions, begin: SystemTime) {
    println!("# Who talks to the elements and is in no entry, by samples of the traffic");
    println!("# since {}. Make sure of each before", humantime::format_rfc3339_seconds(begin));
    println!("# you paste it. Numbers of frames are estimates.");
    if entries.is_empty() {
        println!("#\n# Nobody whom an element answers.");
    }
    for Suggestion { address, toml, evidence, section: _ } in entries {
        println!("\n# {address}:");
        tell(evidence);
        print!("{toml}");
    }
    if left_out.is_empty() {
        return;
    }
    println!("\n# Left out:");
    for LeftOut { address, why, evidence } in left_out {
        println!("#\n# {address}:\n#   {why}");
        tell(evidence);
    }
    if *more_left_out != 0 {
        println!("#\n# and {} more", count(*more_left_out));
    }
}

fn tell(evidence: &Evidence) {
    let Evidence { frames, over_limit, answers, first, last, marked, elements } = evidence;
    println!("#   {first} to {last}");
    println!("#   {} frames to {}", count(*frames), short(&elements.join(", "), 50));
    let marked = if *marked { "marked" } else { "not marked" };
    println!(
        "#   {} over a limit; {}; {} frames answered",
        count(*over_limit),
        marked,
        count(*answers)
    );
}
