//! The store from outside: its file, its process, its connections.

mod client;
mod drive;
mod etcd;
mod etcd_server;
mod file;
mod killed;
mod serving;
mod site;
