//! Every family of metrics there is, described once: what is exposed, what docs/metrics.md says,
//! and what rules and dashboards may name.

use super::family::Described;

/// Describes families, and lists them in [`ALL`].
macro_rules! families {
    ($($constant:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(
            #[doc = $help]
            pub static $constant: Described = Described {
                name: $name,
                is_counter: families!(@is_counter $kind),
                labels: &[$($label),*],
                help: $help,
            };
        )*

        /// All families, in the order of a scrape.
        pub static ALL: &[&Described] = &[$(&$constant),*];
    };
    (@is_counter counter) => { true };
    (@is_counter gauge) => { false };
}

families! {
    BUILD: gauge "guard_build_info" ["version", "abi"]
        "Always 1: version of the controller and of the border to its kernel half.";
    LOADED: gauge "guard_loaded" []
        "Whether the guard's pinned state can be read; without it most metrics are missing.";
    READABLE: gauge "guard_part_readable" ["part"]
        "Whether a part of what is exposed here could be read: 0 means that its metrics are missing.";

    STANCE: gauge "guard_stance" ["stance"]
        "1 at what decides about droppable frames right now, 0 at the others; drops only if enforcing.";
    MODE: gauge "guard_mode" ["mode"]
        "1 at the mode that is set, 0 at the others.";
    BYPASS: gauge "guard_bypass_active" []
        "Whether everything passes because a person said so.";
    BYPASS_LEFT: gauge "guard_bypass_remaining_seconds" []
        "Until the daemon ends the bypass; missing if a person has to.";
    OPENED: gauge "guard_opened" ["reason"]
        "1 at the reason why the controller opened the guard until a person closes it, 0 at the others.";
    WATCHDOG_LEFT: gauge "guard_watchdog_remaining_seconds" []
        "Until the guard opens for want of its controller; missing with failsafe hold.";
    WATCHDOG_LAPSES: gauge "guard_watchdog_lapses" []
        "How often the watchdog opened the guard without an hour closed since.";
    FAILSAFE_HOLD: gauge "guard_failsafe_hold" []
        "Whether the guard goes on dropping without its controller (failsafe hold).";
    CANARY: gauge "guard_canary" ["result"]
        "1 at what came of the last look whether 911 passes, 0 at the others.";
    CANARY_AGE: gauge "guard_canary_age_seconds" []
        "Age of the last word whether 911 passes; written down every ten seconds.";
    CANARY_TARGETS: gauge "guard_canary_targets" []
        "PSAPs, sites and elements that get their synthetic calls every second.";
    CANARY_FRAMES: gauge "guard_canary_frames" []
        "Frames of the last look.";
    CANARY_DURATION: gauge "guard_canary_duration_seconds" []
        "How long the last look kept a CPU.";
    GENERATION: gauge "guard_generation" []
        "Number of the live generation.";
    LIVE_CHANGES: gauge "guard_live_changes" []
        "Live changes since the configuration file was applied.";
    CONFIRMATION: gauge "guard_confirmation_pending" []
        "Whether the live change waits to be confirmed.";
    TAKEN_BACK: gauge "guard_change_taken_back" []
        "Whether the last change was rolled back because the evidence turned.";
    CONFIGURED: gauge "guard_configured_entries" ["section"]
        "Entries of the live configuration.";
    INTERFACE: gauge "guard_interface_info" ["interface", "role", "mode"]
        "Always 1: role and effective XDP mode of an interface (native, generic, other, none).";
    GUARDED: gauge "guard_interface_guarded" ["interface"]
        "Whether the guard's program is on an interface.";
    SIDE_MISSING: gauge "guard_interface_side_missing" ["interface", "program"]
        "Whether a tc program that is configured is not on an interface (outgoing or label).";
    ALARMS: counter "guard_alarms_total" ["alarm"]
        "Things that need a person's attention: lost copies and samples, overflows, unbound sources.";

    FRAMES: counter "guard_frames_total" ["class", "reason", "verdict"]
        "Frames that came in, by why they were passed or dropped.";
    BYTES: counter "guard_bytes_total" ["class", "reason", "verdict"]
        "Bytes of frames that came in, from the Ethernet header on.";
    OUT_FRAMES: counter "guard_out_frames_total" ["class", "reason"]
        "Frames that left by interfaces with outgoing; they always pass.";
    OUT_BYTES: counter "guard_out_bytes_total" ["class", "reason"]
        "Bytes of frames that left by interfaces with outgoing.";
    PSAP_PASSED: counter "guard_psap_passed_frames_total" ["psap"]
        "Frames of a PSAP, site or element that passed; (none): of no PSAP.";
    PSAP_PROTECTED: counter "guard_psap_protected_frames_total" ["psap"]
        "Of the passed ones: those that belong to 911 calls, or may.";
    PSAP_DROPPED: counter "guard_psap_dropped_frames_total" ["psap"]
        "Frames of a PSAP, site or element that were dropped.";
    PSAP_OVER_LIMIT: counter "guard_psap_over_limit_frames_total" ["psap"]
        "Of the passed ones: those that enforcing would have dropped.";
    PSAP_REASONS: counter "guard_psap_limited_frames_total" ["psap", "reason", "verdict"]
        "Frames of a PSAP that were dropped, or passed over a limit, by reason; zeros are left out.";
    LEFT_OUT: gauge "guard_series_left_out" []
        "Series of guard_psap_limited_frames_total beyond the bound, the smallest, left out.";

    CALLS: counter "guard_calls_total" ["psap", "outcome"]
        "Calls of configured parties since the daemon started; failed: turned down, or no answer in 4 s.";
    CALLS_KNOWN: gauge "guard_calls_known" []
        "Calls that the reader of signalling follows; of the last minute, like all it counts.";
    FORGOTTEN: counter "guard_calls_forgotten_total" []
        "Calls that the reader of signalling forgot because it can know no more.";
    COPIES: counter "guard_signalling_copies_total" []
        "Copies of signalling that were read since the daemon started.";
    MESSAGES: counter "guard_signalling_messages_total" []
        "SIP messages of calls that were read.";
    UNREADABLE: counter "guard_signalling_unreadable_total" []
        "Copies and messages that could not be read.";
    RESTARTS: counter "guard_signalling_restarts_total" []
        "Times the reader of signalling had to begin anew.";
    MEDIA_PORTS: counter "guard_media_ports_total" ["fate"]
        "Media ports that elements named in signalling, by what became of them.";

    PINS: gauge "guard_pins_in_use" ["table"]
        "Places of a table of calls that are taken.";
    PINS_MOST: gauge "guard_pins_capacity" ["table"]
        "Places that a table of calls has.";
    MEMORY: gauge "guard_map_memory_bytes" ["map"]
        "Kernel memory of a map, all CPUs together.";
    LOST_LINES: counter "guard_log_lines_lost_total" []
        "Lines of the daemon's log that nobody took; those of the kernel half are the alarm log_lost.";
}

#[cfg(test)]
mod tests {
    use super::ALL;

    /// <https://prometheus.io/docs/practices/naming/>
    #[test]
    fn names_follow_the_convention() {
        for family in ALL {
            assert!(family.name.starts_with("guard_"), "{}", family.name);
            assert_eq!(family.is_counter, family.name.ends_with("_total"), "{}", family.name);
            assert!(family.help.ends_with('.') && !family.help.contains('\n'), "{}", family.name);
            let twice = ALL.iter().filter(|other| other.name == family.name).count();
            assert_eq!(twice, 1, "{} is there twice", family.name);
        }
    }
}
