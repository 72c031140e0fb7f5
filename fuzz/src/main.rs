//! One program for all targets, so that everything is linked once: the environment names the
//! target. libFuzzer, which brings `main`, has the arguments for itself. See `scripts/fuzz`.
#![no_main]

use std::{env, sync::LazyLock};

static TARGET: LazyLock<String> =
    LazyLock::new(|| env::var("COUNTERSIGN_FUZZ_TARGET").expect("the name of a target"));

libfuzzer_sys::fuzz_target!(|data: &[u8]| countersign_fuzz::run(&TARGET, data));
