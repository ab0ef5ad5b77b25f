//! Connector for files.
