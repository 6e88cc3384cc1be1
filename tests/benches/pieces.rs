//! `cargo xtask bench --host`: what single pieces of the brain cost on the host, where a profiler
//! can look at them. What a frame costs in the kernel is `cargo xtask bench`'s to say.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use guard_common::abi::policy::LimitSpec;
use guard_common::bucket::conform;
use guard_common::classify::{Ends, Way, classify};
use guard_common::frame::Frame;
use guard_common::guard::{Scratch, process};
use guard_common::hash::keyed;
use guard_common::index::Search;
use guard_common::sip::{headers, start_line};
use guard_tests::bench::configuration::{LOOPBACK, Size, tables};
use guard_tests::bench::frames::{Case, cases, cases6};
use guard_user::policy::model::Model;

/// Ethernet, IPv4 and UDP headers.
const HEADERS: u16 = 14 + 20 + 8;
/// Monotonic nanoseconds of all that is measured.
const NOW: u64 = 1_000_000_000_000;

fn all() -> Vec<Case> {
    cases().into_iter().chain(cases6()).collect()
}

fn model(size: Size) -> Option<Model> {
    let tables = tables(size, None).ok()?.0;
    Some(Model::new(tables, NOW))
}

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    for case in all() {
        group.bench_with_input(
            BenchmarkId::from_parameter(&case.name),
            &case.frame,
            |run, frame| {
                let mut parsed = Frame::unknown();
                run.iter(|| black_box(&mut parsed).parse(black_box(&frame.as_slice())));
            },
        );
    }
}

fn classification(criterion: &mut Criterion) {
    let Some(model) = model(Size::SMALL) else { return };
    let mut group = criterion.benchmark_group("classify");
    for case in all() {
        let (mut frame, mut ends) = (Frame::unknown(), Ends::default());
        let packet = case.frame.as_slice();
        let _ = frame.parse(&packet);
        let way = Way { interface: LOOPBACK, inside: 0 };
        group.bench_function(BenchmarkId::from_parameter(&case.name), |run| {
            run.iter(|| classify(black_box(&packet), black_box(&frame), &mut ends, &model, way));
        });
    }
}

fn whole_way(criterion: &mut Criterion) {
    let Some(model) = model(Size::SMALL) else { return };
    let mut group = criterion.benchmark_group("whole way");
    for case in all() {
        group.bench_with_input(
            BenchmarkId::from_parameter(&case.name),
            &case.frame,
            |run, frame| {
                let mut scratch = Scratch::default();
                let packet = frame.as_slice();
                run.iter(|| {
                    let judgement = process(black_box(&packet), &model, &mut scratch, LOOPBACK);
                    // What the model keeps for whoever asks would fill the memory.
                    let _ = model.take_copies();
                    judgement
                });
            },
        );
    }
}

fn index(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("index");
    for (name, size) in [("10 PSAPs", Size::SMALL), ("6,000 PSAPs", Size::LARGE)] {
        let Some(model) = model(size) else { continue };
        for (who, address) in [("known", [198, 51, 100, 10]), ("unknown", [192, 0, 2, 77])] {
            group.bench_function(format!("{who}, {name}"), |run| {
                run.iter(|| {
                    let mut search = Search::default();
                    search.party4(&model, black_box(address)).is_some()
                });
            });
        }
    }
}

fn arithmetic(criterion: &mut Criterion) {
    criterion.bench_function("keyed hash", |run| {
        run.iter(|| keyed(black_box(0x5eed), black_box(1), black_box(2)));
    });
    let spec = LimitSpec { interval: 50_000_000, tolerance: 950_000_000 };
    for (name, arrival) in [("within", NOW), ("over", NOW + 960_000_000)] {
        criterion.bench_function(&format!("bucket, {name}"), |run| {
            run.iter(|| conform(black_box(arrival), black_box(spec), black_box(NOW)));
        });
    }
}

fn automata(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("automaton");
    for case in cases().into_iter().filter(|case| case.name.starts_with("SIP flood")) {
        let packet = case.frame.as_slice();
        let length = u32::try_from(packet.len()).unwrap_or(0).saturating_sub(HEADERS.into());
        group.throughput(Throughput::Bytes(length.into()));
        group.bench_function(format!("start line, {}", case.name), |run| {
            run.iter(|| start_line::read(black_box(&packet), HEADERS, length, start_line::BEGIN));
        });
        group.bench_function(format!("headers, {}", case.name), |run| {
            run.iter(|| headers::say_emergency(black_box(&packet), HEADERS, length));
        });
    }
}

criterion_group!(pieces, parse, classification, whole_way, index, arithmetic, automata);
criterion_main!(pieces);
