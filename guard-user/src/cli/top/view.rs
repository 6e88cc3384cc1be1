//! Draws the model. Made for 80 columns and 24 rows; what does not fit is cut off.

use guard_user::report::{CanaryResult, Rates, Stance};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line as Text, Span};
use ratatui::widgets::{Paragraph, Row, Sparkline, Table};

use super::model::{Line, Model};
use crate::cli::table::{count, rate, short};

/// Rows of reasons and sources, headings included.
const BELOW: u16 = 8;
/// Columns below which sources are left out.
const NARROW: u16 = 60;
/// Letters of a course in a row.
const COURSE: usize = 12;
/// From nothing to much.
const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

const BAD: Style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
const GOOD: Style = Style::new().fg(Color::Green);
const HEADING: Style = Style::new().add_modifier(Modifier::BOLD);

/// Draws everything.
pub fn draw(model: &Model, frame: &mut Frame<'_>) {
    let [head, course, psaps, below, foot] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(3),
        Constraint::Min(0),
        Constraint::Length(BELOW),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(Paragraph::new(vec![guard(model), rates(&model.all)]), head);
    draw_course(&model.all, frame, course);
    draw_psaps(model, frame, psaps);
    if frame.area().width < NARROW {
        draw_reasons(model, frame, below);
    } else {
        let halves = [Constraint::Percentage(50), Constraint::Percentage(50)];
        let [left, right] = Layout::horizontal(halves).spacing(2).areas(below);
        draw_reasons(model, frame, left);
        draw_sources(model, frame, right);
    }
    frame.render_widget(Paragraph::new(keys(model)), foot);
}

/// How the guard is.
fn guard(model: &Model) -> Text<'_> {
    let Some(pulse) = &model.pulse else {
        return Text::from("guard");
    };
    let (stance, style) = match pulse.stance {
        Stance::Enforcing => ("enforcing", GOOD),
        Stance::Monitoring => ("monitoring", GOOD),
        Stance::Bypassed => ("BYPASSED", BAD),
        Stance::OpenByWatchdog => ("OPEN: watchdog", BAD),
        Stance::Opened => ("OPEN: opened", BAD),
        Stance::Unconfirmed => ("OPEN: unconfirmed", BAD),
        Stance::OpenByUnknownMode => ("OPEN: unknown mode", BAD),
    };
    let (canary, canary_style) = match pulse.canary.result {
        CanaryResult::Ok => ("911 passes", GOOD),
        CanaryResult::Failed => ("911 FAILS", BAD),
        CanaryResult::Blind => ("911 BLIND", BAD),
        CanaryResult::Silent => ("911 SILENT", BAD),
    };
    let age = pulse.canary.age_seconds.map_or(String::new(), |age| format!(" {age:.0} s ago"));
    let mut spans = vec![
        Span::styled("guard ", HEADING),
        Span::styled(stance, style),
        Span::raw("  "),
        Span::styled(canary, canary_style),
        Span::raw(age),
        Span::raw(format!("  generation {}", pulse.generation)),
    ];
    match pulse.daemon {
        Some(process) => spans.push(Span::raw(format!("  daemon {process}"))),
        None => spans.push(Span::styled("  NO DAEMON", BAD)),
    }
    if model.is_frozen {
        spans.push(Span::styled("  FROZEN", BAD));
    }
    Text::from(spans)
}

fn rates(all: &Line) -> Text<'_> {
    let Some(Rates { passed, protected, dropped, over_limit, .. }) = all.rates else {
        return Text::from("the first figures are being taken");
    };
    Text::from(format!(
        "{}/s passed, {}/s protected, {}/s dropped, {}/s over limit",
        rate(passed),
        rate(protected),
        rate(dropped),
        rate(over_limit)
    ))
}

/// What was dropped or would have been, over the last minute.
fn draw_course(all: &Line, frame: &mut Frame<'_>, area: Rect) {
    let [name, bars] = Layout::horizontal([Constraint::Length(10), Constraint::Min(0)]).areas(area);
    let most = all.course.iter().max().copied().unwrap_or(0);
    let text = vec![Text::from("dropped or"), Text::from("over limit"), Text::from(count(most))];
    frame.render_widget(Paragraph::new(text), name);
    let fits = usize::from(bars.width);
    let skipped = all.course.len().saturating_sub(fits);
    let course: Vec<u64> = all.course.iter().skip(skipped).copied().collect();
    frame.render_widget(Sparkline::default().data(course).style(BAD), bars);
}

fn draw_psaps(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let heading = Row::new(["PSAP", "NAME", "PROT/S", "PASS/S", "DROP/S", "OVER/S", "COURSE"]);
    let fits = usize::from(area.height);
    let row = |line: &Line| {
        let figures = line.rates.map_or([const { String::new() }; 4], |rates| {
            [rates.protected, rates.passed, rates.dropped, rates.over_limit].map(rate)
        });
        let id = if line.id.is_empty() { "(none)" } else { &line.id };
        let [protected, passed, dropped, over] = figures;
        let cells = [short(id, 16), short(&line.name, 20), protected, passed, dropped, over];
        let style = if line.trouble() > 0.0 { BAD } else { Style::new() };
        Row::new(cells.into_iter().chain([course(line)])).style(style)
    };
    let widths = [12, 17, 8, 8, 8, 8, 12].map(Constraint::Max);
    let rows = model.shown().take(fits).map(row);
    frame.render_widget(Table::new(rows, widths).header(heading.style(HEADING)), area);
}

/// The course of a line as letters.
fn course(line: &Line) -> String {
    let skipped = line.course.len().saturating_sub(COURSE);
    let most = line.course.iter().skip(skipped).max().copied().unwrap_or(0);
    if most == 0 {
        return String::new();
    }
    let letter = |value: &u64| {
        let step = value.saturating_mul(7).checked_div(most).unwrap_or(0);
        let step = usize::try_from(step).unwrap_or(0);
        if *value == 0 { ' ' } else { STEPS.get(step).copied().unwrap_or('█') }
    };
    line.course.iter().skip(skipped).map(letter).collect()
}

fn draw_reasons(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let heading = Row::new(["REASON", "/S", "ALL"]).style(HEADING);
    let row = |(name, now, all): &(&'static str, f64, u64)| {
        Row::new([(*name).to_owned(), rate(*now), count(*all)])
    };
    let widths = [Constraint::Max(24), Constraint::Length(7), Constraint::Length(7)];
    let rows = model.shown_reasons().take(usize::from(BELOW)).map(row);
    frame.render_widget(Table::new(rows, widths).header(heading), area);
}

fn draw_sources(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    if let Some(why) = &model.trouble[1] {
        let text = format!("no samples of sources: {why}");
        let lines = Paragraph::new(text).wrap(ratatui::widgets::Wrap { trim: true });
        frame.render_widget(lines, area);
        return;
    }
    let heading = Row::new(["SOURCE (sampled)", "N", "PSAP"]).style(HEADING);
    let sources = model.sources();
    let row = |(source, psap, _, frames): &(&str, &str, &'static str, usize)| {
        Row::new([short(source, 24), frames.to_string(), short(psap, 10)])
    };
    let widths = [Constraint::Min(16), Constraint::Length(5), Constraint::Max(10)];
    let rows = sources.iter().take(usize::from(BELOW)).map(row);
    frame.render_widget(Table::new(rows, widths).header(heading), area);
}

/// What the keys do, or what is wrong.
fn keys(model: &Model) -> Text<'_> {
    if let Some(why) = &model.trouble[0] {
        return Text::from(Span::styled(why.lines().next().unwrap_or(""), BAD));
    }
    if model.is_typing {
        return Text::from(format!("filter: {}_  (Enter keeps it, Esc clears it)", model.filter));
    }
    let frozen = if model.is_frozen { "space goes on" } else { "space freezes" };
    let filter = match model.filter.as_str() {
        "" => "/ filters".to_owned(),
        filter => format!("Esc shows more than \"{filter}\""),
    };
    Text::from(format!("q quits  {frozen}  {filter}  arrows scroll"))
}
