//! Shared parts of the tests: packet builder, fixtures, private guards, namespaces.
