//! The controllers' shell.
