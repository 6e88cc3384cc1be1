//! CrowdStrike, 19 July 2024: content that nobody had tried, everywhere at once. Level 3,
//! 4 October 2016: an empty field, and it meant everything.

use std::fs;

use crate::{refuses, site, text};

const CONTENT: &str = "CrowdStrike 2024, broken content";
const EMPTY: &str = "Level 3 2016, an empty field";

#[test]
fn broken_content_is_refused() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    let (good, file) = (text(&site), site.path("pushed.toml"));
    let typed = file.to_string_lossy().into_owned();
    let half = good[..good.len() - 20].to_owned();
    let contents: [(&str, Vec<u8>); 6] = [
        ("zeros", vec![0; 40_000]),
        ("nothing", Vec::new()),
        ("cut off", half.into_bytes()),
        ("random", (0..100_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()),
        ("no text", [good.as_bytes(), b"\xff\xfe"].concat()),
        ("huge", [good.as_bytes(), &vec![b'#'; 300 << 20]].concat()),
    ];
    for (what, content) in contents {
        fs::write(&file, content).unwrap();
        let day = format!("{CONTENT} ({what})");
        refuses(&site, &day, 3, &["pushed.toml"], || site.guard(&["apply", &typed]));
    }
}

#[test]
fn an_empty_field_is_an_error_and_not_everything() {
    let Some(site) = site() else { return };
    let _daemon = site.start();
    for source in ["", " ", "0.0.0.0/0", "::/0", "0.0.0.0", "*"] {
        let entry = format!("[[deny]]\nsource = '{source}'\nowner = 'noc'\nreason = 'fraud'\n");
        let day = format!("{EMPTY} ({source:?})");
        refuses(&site, &day, 3, &["deny"], || site.apply(&(text(&site) + &entry)));
        let typed = site.guard(&["deny", "add", source, "--reason", "fraud"]);
        assert_eq!(typed.code, Some(2), "{}", typed.err);
        assert!(typed.err.contains("next: "), "{}", typed.err);
    }
    let entry = "[[deny]]\nowner = 'noc'\nreason = 'fraud'\n";
    let day = format!("{EMPTY} (left out)");
    refuses(&site, &day, 3, &["source"], || site.apply(&(text(&site) + entry)));
}
