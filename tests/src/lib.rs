//! The upstream simulator and what whole-system tests share.
