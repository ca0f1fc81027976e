//! Whatever bytes a file has: it is read, or refused with a message. Nothing panics.
#![no_main]

#[path = "../targets.rs"]
mod targets;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // On a file system in memory: the folder is made once for each process.
    thread_local! {
        static FOLDER: tempfile::TempDir = tempfile::tempdir_in("/dev/shm").expect("a folder in memory");
    }
    if let [target, bytes @ ..] = bytes {
        let target = targets::NAMES[*target as usize % targets::NAMES.len()];
        FOLDER.with(|folder| targets::read(target, bytes, folder.path()));
    }
});
