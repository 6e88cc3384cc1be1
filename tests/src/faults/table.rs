//! The table itself: one row for each fault, in the words of `docs/faults.md`.

use super::{Fault, Group};

/// All faults, by what they are faults of.
pub const GROUPS: &[Group] = &[
    Group {
        title: "Killed in the middle, with calls and a flood under way",
        faults: &[
            Fault {
                fault: "`guard apply` is killed before any of its system calls",
                outcome: "the old configuration or the new goes on, whole; the daemon or the next \
                          start puts together what is left; no call frame is lost, none counted \
                          twice, what is denied stays denied",
                told: "log: what a killed change left",
                test: "faults::kill::an_apply_killed_at_any_step_is_whole_or_nothing",
            },
            Fault {
                fault: "`guard deny add` is killed before any of its system calls",
                outcome: "what is listed is denied, and nothing else; lists changed by half are \
                          built anew",
                told: "log: what a killed change left",
                test: "faults::kill::a_denial_killed_at_any_step_is_whole_or_nothing",
            },
            Fault {
                fault: "`guard rollback` is killed before any of its system calls",
                outcome: "the same",
                told: "log: what a killed change left",
                test: "faults::kill::a_roll_back_killed_at_any_step_is_whole_or_nothing",
            },
            Fault {
                fault: "a start is killed before any of its system calls",
                outcome: "what is pinned goes on; the next start adopts it",
                told: "log: adopted",
                test: "faults::kill::a_restart_killed_at_any_step_is_of_no_consequence",
            },
            Fault {
                fault: "an upgrade, a start that brings another program, is killed before any of \
                        its system calls",
                outcome: "the old program or the new is on all interfaces once the next start is \
                          done; none is without in between",
                told: "log: replaced, or adopted",
                test: "faults::kill::an_upgrade_killed_at_any_step_is_whole_or_nothing",
            },
            Fault {
                fault: "an upgrade with another layout of state is killed before any of its \
                        system calls",
                outcome: "the old state and program or the new, never mixed; the next start \
                          finishes",
                told: "log: of another version, replaced",
                test: "faults::kill::a_new_layout_killed_at_any_step_is_whole_or_nothing",
            },
            Fault {
                fault: "power is lost at any write of an apply",
                outcome: "the next start takes the old configuration or the new, whole",
                told: "log: loaded",
                test: "\
                       faults::power::power_lost_at_any_write_leaves_the_old_configuration_or_the_new",
            },
            Fault {
                fault: "power is lost: notes, samples, history and audit log are empty or gone",
                outcome: "the guard starts and guards",
                told: "errors that name the file, where it is read",
                test: "faults::power::what_else_is_lost_with_the_power_is_of_no_consequence",
            },
            Fault {
                fault: "200 changes one after the other",
                outcome: "no frame is lost, none counted twice, none of the flood gets through",
                told: "history, audit log",
                test: "faults::swaps::two_hundred_swaps_lose_no_packet_and_no_count",
            },
        ],
    },
    Group {
        title: "The daemon",
        faults: &[
            Fault {
                fault: "`kill -9`",
                outcome: "nothing changes; after `watchdog` the data plane opens; the next start \
                          adopts what is pinned and closes after stable minutes",
                told: "status: NOT RUNNING, then OPEN; alarm",
                test: "lifecycle::death::kill_9_changes_nothing_until_the_watchdog_opens",
            },
            Fault {
                fault: "SIGTERM, SIGINT",
                outcome: "the guard stays on the interfaces, opens after `watchdog`",
                told: "log, status",
                test: "lifecycle::death::sigterm_and_sigint_leave_the_guard_in_place",
            },
            Fault {
                fault: "it hangs as a whole",
                outcome: "opens after `watchdog`",
                told: "status, alarm",
                test: "lifecycle::death::a_daemon_that_hangs_opens_the_guard",
            },
            Fault {
                fault: "one of its workers hangs",
                outcome: "the heartbeat stops, the guard opens",
                told: "log names the worker; alarm",
                test: "survival::watchdog::a_stuck_worker_opens_the_guard",
            },
            Fault {
                fault: "a flood takes every core",
                outcome: "the heartbeat goes on, nothing opens",
                told: "-",
                test: "survival::watchdog::a_flood_on_every_core_does_not_open_the_guard",
            },
            Fault {
                fault: "it dies again and again",
                outcome: "each time it stays open for longer before it closes",
                told: "status: lapses",
                test: "\
                       survival::watchdog::closing_again_takes_stable_time_and_twice_as_much_each_time",
            },
            Fault {
                fault: "a second daemon is started",
                outcome: "refused",
                told: "error names the first one's process",
                test: "lifecycle::occupied::a_second_daemon_is_refused_by_name_of_the_first",
            },
            Fault {
                fault: "it is dead when a change should be confirmed",
                outcome: "the data plane opens at the deadline; the next start rolls back",
                told: "status, log",
                test: "\
                       transaction::confirm::the_data_plane_opens_by_itself_and_the_next_start_goes_back",
            },
        ],
    },
    Group {
        title: "Disk, memory, kernel",
        faults: &[
            Fault {
                fault: "the disk is full or read-only while the guard runs",
                outcome: "it guards on; changes are refused whole; bypass works",
                told: "errors name the file",
                test: "survival::disk::a_running_guard_needs_no_disk",
            },
            Fault {
                fault: "the disk is full or read-only at a first start",
                outcome: "refused, nothing is left, everything passes",
                told: "error names the file",
                test: "survival::disk::a_start_without_a_disk_is_refused_and_leaves_nothing",
            },
            Fault {
                fault: "the disk is full and calls fail",
                outcome: "`guard bypass on` works",
                told: "says that it could not be noted",
                test: "lifecycle::switches::bypass_works_with_the_disk_full",
            },
            Fault {
                fault: "state files are garbage, cut off or empty",
                outcome: "the running guard is untouched",
                told: "error names the file and the next step",
                test: "lifecycle::state::broken_state_files_are_named",
            },
            Fault {
                fault: "an interrupted write left half a file",
                outcome: "it is of no consequence",
                told: "-",
                test: "lifecycle::state::an_interrupted_write_is_of_no_consequence",
            },
            Fault {
                fault: "no memory for the next generation",
                outcome: "the change is refused whole, the running one goes on",
                told: "error",
                test: "survival::memory::a_change_without_memory_changes_nothing",
            },
            Fault {
                fault: "the daemon may not have the memory it needs (`MemoryMax=`)",
                outcome: "systemd starts it again and again; opens; back once there is memory",
                told: "journal, status",
                test: "package::service::out_of_memory_the_guard_opens_and_stays",
            },
            Fault {
                fault: "the package is upgraded, with the same program or another",
                outcome: "same link, same mode; another program takes over in one step",
                told: "journal",
                test: "package::dpkg::an_upgrade_leaves_the_guard_where_it_is",
            },
            Fault {
                fault: "the package is removed while the guard cannot be taken off",
                outcome: "everything passes; the package stays",
                told: "error of dpkg",
                test: "package::dpkg::a_removal_that_breaks_off_keeps_the_tools_and_passes_everything",
            },
            Fault {
                fault: "the BPF file system is unmounted",
                outcome: "what is loaded goes on; nothing is dropped for it",
                told: "log, status",
                test: "survival::pins::a_bpffs_unmounted_is_named_and_nothing_is_dropped_for_it",
            },
            Fault {
                fault: "the pinned state is of another layout",
                outcome: "verbs leave it alone; bypass works",
                told: "error names both versions",
                test: "lifecycle::state::no_verb_touches_state_of_another_version",
            },
            Fault {
                fault: "a start finds state of another layout",
                outcome: "it is replaced without a gap: counters begin anew, mode and bypass stay",
                told: "log: of another version, replaced",
                test: "lifecycle::state::a_start_replaces_state_of_another_version",
            },
            Fault {
                fault: "the clock on the wall jumps, by more than a year",
                outcome: "no verdict changes, nothing opens, nothing lapses",
                told: "-",
                test: "survival::clock::a_clock_that_jumps_changes_no_verdict",
            },
            Fault {
                fault: "it jumps while a bypass lasts, or a change waits to be confirmed",
                outcome: "both end after as many seconds as was said",
                told: "log, status",
                test: "survival::clock::a_clock_that_jumps_moves_no_end",
            },
            Fault {
                fault: "the record of a change cannot be replaced, its last step",
                outcome: "what was live before is live again, and named",
                told: "error names the file",
                test: "\
                       transaction::apply::a_record_that_cannot_be_replaced_leaves_everything_as_it_was",
            },
            Fault {
                fault: "reboot while bypassed",
                outcome: "bypassed again, for the rest of its time",
                told: "status",
                test: "survival::bypass::a_reboot_keeps_its_end",
            },
            Fault {
                fault: "reboot while a change waits to be confirmed",
                outcome: "the configuration before it is loaded, or, where that would tighten, \
                          the change, open",
                told: "log, status",
                test: "transaction::confirm::a_reboot_goes_back",
            },
        ],
    },
    Group {
        title: "Interfaces",
        faults: &[
            Fault {
                fault: "one disappears and returns",
                outcome: "it is guarded again; meanwhile the others are",
                told: "log, canary says blind",
                test: "canary::blind::a_lost_interface_is_blind_until_it_returns",
            },
            Fault {
                fault: "somebody replaces the guard's program",
                outcome: "theirs is left alone",
                told: "log names the program; canary says blind",
                test: "survival::foreign::another_program_is_told_and_left_alone",
            },
            Fault {
                fault: "a second interface is occupied at a start",
                outcome: "the first is given back: all or nothing",
                told: "error names the program",
                test: "lifecycle::occupied::an_occupied_second_interface_undoes_the_first",
            },
            Fault {
                fault: "a second interface is occupied at a change",
                outcome: "the running generation is on all of its interfaces as before",
                told: "error names the program",
                test: "\
                       lifecycle::occupied::an_occupied_second_interface_leaves_the_running_guard_as_it_was",
            },
            Fault {
                fault: "a link does not come back when the program is attached",
                outcome: "the start ends there, the other interfaces are not touched",
                told: "error names the interface",
                test: "survival::settle::a_link_that_does_not_come_back_stops_the_start",
            },
            Fault {
                fault: "a link does not come back at the unload",
                outcome: "the unload ends there",
                told: "error names the interface",
                test: "survival::settle::a_link_that_does_not_come_back_stops_the_unload",
            },
        ],
    },
    Group {
        title: "The policy that is live",
        faults: &[
            Fault {
                fault: "a PSAP is lost from the maps",
                outcome: "the canary opens the guard; a person closes it",
                told: "alarm, `guard canary`, evidence is kept",
                test: "canary::broken::a_lost_psap_opens_the_guard_until_a_person_closes_it",
            },
            Fault {
                fault: "a PSAP's services are lost from the maps",
                outcome: "the same",
                told: "the same",
                test: "canary::broken::a_psap_without_its_services_opens_the_guard",
            },
            Fault {
                fault: "the policy is broken as a whole",
                outcome: "the same",
                told: "the same",
                test: "canary::broken::a_broken_policy_opens_the_guard",
            },
            Fault {
                fault: "the pins are gone",
                outcome: "the guard works on; the canary is blind",
                told: "log, canary says blind",
                test: "canary::blind::lost_pins_are_blind",
            },
            Fault {
                fault: "interfaces take in frames and none is counted",
                outcome: "the guard works on; the canary is blind",
                told: "log, canary says blind",
                test: "canary::blind::counters_that_stand_still_are_blind",
            },
            Fault {
                fault: "after a change, calls are not answered any more",
                outcome: "it is rolled back within seconds, or the guard opens where that would \
                          tighten",
                told: "log, status, alarm",
                test: "\
                       watching::turned::a_change_that_makes_calls_fail_is_rolled_back_within_seconds",
            },
            Fault {
                fault: "a generation fails on the way",
                outcome: "the running one is untouched",
                told: "error",
                test: "transaction::apply::a_change_that_fails_leaves_everything_as_it_was",
            },
            Fault {
                fault: "nobody confirms a change",
                outcome: "it is rolled back, or the guard opens where that would tighten",
                told: "log, status",
                test: "transaction::confirm::the_daemon_takes_back_what_nobody_confirms",
            },
            Fault {
                fault: "audit log and journal cannot be written",
                outcome: "no bypass and no roll-back is hindered",
                told: "warning",
                test: "transaction::audit::no_record_keeps_anybody_from_anything",
            },
        ],
    },
    Group {
        title: "People: outages that happened",
        faults: &[
            Fault {
                fault: "Optus 2025: the firewall is upgraded while calls go on",
                outcome: "the program is replaced without a gap",
                told: "log: replaced",
                test: "outages::upgrade::an_upgrade_replaces_the_program_without_a_gap",
            },
            Fault {
                fault: "Optus 2025: the new program does not know emergencies, or the kernel does \
                        not take it",
                outcome: "refused by the canary, or the kernel; the old one goes on",
                told: "error names frame and reason; exit 8 or 7",
                test: "outages::upgrade::a_broken_upgrade_does_not_go_live",
            },
            Fault {
                fault: "AT&T 2017: an allow-list without a carrier that calls is pushed",
                outcome: "refused by recorded traffic, unless `--force --reason`",
                told: "error says how many frames it would drop, and whose",
                test: "outages::lists::a_list_without_a_carrier_that_calls_is_refused",
            },
            Fault {
                fault: "Level 3 2016: an empty field, a zero, a match-all in a rule",
                outcome: "refused",
                told: "error names the line",
                test: "outages::content::an_empty_field_is_an_error_and_not_everything",
            },
            Fault {
                fault: "CrowdStrike 2024: zeros, nothing, half a file, noise, a huge file",
                outcome: "refused",
                told: "error names file and place",
                test: "outages::content::broken_content_is_refused",
            },
            Fault {
                fault: "Massachusetts 2024: a rule against a PSAP or a carrier",
                outcome: "refused",
                told: "error names the entry",
                test: "outages::lists::no_rule_stops_a_call",
            },
            Fault {
                fault: "Massachusetts 2024: limits of one a second and the caller denied by name",
                outcome: "every frame of every call passes",
                told: "`guard psaps`",
                test: "outages::lists::no_rule_stops_a_call",
            },
            Fault {
                fault: "AT&T 2024: a protection that protects too much",
                outcome: "the guard's own reaction is to open",
                told: "status, alarm",
                test: "outages::operator::its_own_protection_opens",
            },
            Fault {
                fault: "enforcing while one's own SSH session is no management",
                outcome: "refused",
                told: "error names the address",
                test: "outages::operator::nobody_locks_themselves_out",
            },
            Fault {
                fault: "a file is edited, or broken, and not applied",
                outcome: "a restart goes on with what was live, and tells",
                told: "log: how the file differs",
                test: "outages::operator::an_edited_file_is_no_change",
            },
            Fault {
                fault: "a file with a fourth of the PSAPs gone",
                outcome: "refused, unless `--force --reason`",
                told: "error",
                test: "transaction::gates::many_withdrawn_at_once_need_a_persons_word",
            },
        ],
    },
];
