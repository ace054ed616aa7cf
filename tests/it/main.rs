//! The integration tests: one binary, a module a subject. Those marked "real parts" need
//! `tests/real/install` and run by `tests/run`; the rest needs nothing but the toolchain.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, missing_docs, unreachable_pub)]

mod architecture;
mod bad_days;
mod bench;
mod browser;
mod catalogue;
mod cli;
mod config;
mod connections;
mod credentials;
mod demo;
mod discover;
mod fakes;
mod gpus;
mod guard;
mod host;
mod meter;
mod metrics_page;
mod owners;
mod page;
mod real_cards;
mod real_clock;
mod real_discover;
mod real_fakes;
mod real_host;
mod real_llama_cpp;
mod real_main_job;
mod real_nvml;
mod real_ollama;
mod real_owners;
mod real_scenarios;
mod real_scrape;
mod real_xids;
mod recognise;
mod reload;
mod requests;
mod routes;
mod servers;
mod support;
mod sysfs;
mod taps;
mod vram;
mod web_config;
mod web_tls;
mod xids;
