//! The thin shell around every machine: actor, clock, disk, trace, client of the API server.
