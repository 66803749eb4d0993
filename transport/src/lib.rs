//! Actors' messages over QUIC: frames, endpoints, identities.
