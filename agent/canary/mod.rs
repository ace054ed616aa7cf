//! Asks canaries: the questions to a server, the runs, and their beat.
