//! What the tests stand on: fake servers, real ones, a started agent.
