//! opsagent: an observability and operations agent for self-hosted LLM servers.
//!
//! Read the modules downward: each may use only those above its own group. `agent/ARCHITECTURE.md`
//! tells the rest.

pub mod sample;

pub mod checks;

pub mod suite;

pub mod drift;

pub mod view;
pub mod wire;

pub mod jobs;
pub mod logs;

pub mod gpus;
pub mod http;
pub mod procs;
pub mod usage;

pub mod host;
pub mod servers;

pub mod owners;

pub mod store;

pub mod metrics;

pub mod fleet;

pub mod canary;
pub mod demo;
pub mod discover;
pub mod poll;
pub mod tap;

pub mod web;

pub mod config;

pub mod app;

pub mod cli;
