//! Claims: which process does a job of a run that several share.
//!
//! A claim saves work that would be done twice, and nothing rests on it: two processes that do one job leave the same
//! bytes. It is a folder, as making one either succeeds or fails on any file system, with a file that says who has made
//! it. That file is written again every few seconds, so that a claim can be told from what a killed process has left.

use std::io::ErrorKind::{AlreadyExists, NotFound};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, SystemTime};

use fs_err as fs;
use likra_files::error_at;
use rustix::process::{Pid, test_kill_process};

use crate::{Error, Result, remove};

/// How often a claim shows that its process is alive.
const BEAT: Duration = Duration::from_secs(15);

/// After so long without, it is of nobody any more.
const STALE: Duration = Duration::from_mins(2);

/// After so long, a claim that does not say whose it is was made by a process that was killed before it could.
const MOMENT: Duration = Duration::from_secs(1);

/// A job that this process does, until this is dropped.
#[derive(Debug)]
pub struct Claim {
    folder: PathBuf,
    owner: String,
    /// Its end stops the thread.
    stop: Option<Sender<()>>,
    beating: Option<JoinHandle<()>>,
}

impl Claim {
    /// Claims what the folder at `folder` stands for.
    ///
    /// # Errors
    ///
    /// [`Error::Claimed`] if another process has done so and is alive, or if the folder cannot be made.
    pub fn take(folder: PathBuf) -> Result<Self> {
        let (host, process) = (host(), std::process::id());
        let started = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let started = started.as_nanos();
        // Made, or freed by this process and then made, or made by another that was faster.
        for _ in 0..4 {
            match make(&folder) {
                Ok(()) => {
                    let owner = format!("process {process} on {host} (since {started})");
                    fs::write(owner_of(&folder), &owner)?;
                    return Ok(Self::beat(folder, owner));
                }
                // It may be given back before it is looked at.
                Err(error) if error.kind() == AlreadyExists && !folder.is_file() => drop(error),
                Err(error) => return Err(error_at(&folder, error.kind(), error).into()),
            }
            let owner = fs::read_to_string(owner_of(&folder)).unwrap_or_default();
            if !is_stale(&folder, &owner, &host)? {
                if owner.is_empty() {
                    sleep(MOMENT + MOMENT / 4);
                    continue;
                }
                break;
            }
            // Of those who find it stale, one can rename it; a later one gets the claim that is made then.
            let away = folder.with_file_name(format!(".{host}-{process}-{started}"));
            if std::fs::rename(&folder, &away).is_ok() {
                match owner.is_empty() || is(&owner_of(&away), &owner) {
                    true => remove(&away)?,
                    false => drop(std::fs::rename(&away, &folder)),
                }
            }
        }
        let owner = fs::read_to_string(owner_of(&folder)).unwrap_or_default();
        let owner = match owner.split(" (").next() {
            None | Some("") => "another process",
            Some(owner) => owner,
        };
        let (path, owner) = (folder, owner.to_owned());
        Err(Error::Claimed { path, owner })
    }

    fn beat(folder: PathBuf, owner: String) -> Self {
        let (stop, stopped) = channel::<()>();
        let (path, text) = (owner_of(&folder), owner.clone());
        let beating = spawn(move || {
            while stopped.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) && is(&path, &text) {
                // That it fails once is no harm.
                let _ = fs::write(&path, &text);
            }
        });
        Self {
            folder,
            owner,
            stop: Some(stop),
            beating: Some(beating),
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.beating.take().map(JoinHandle::join);
        // A process that slept for long may have lost it.
        if is(&owner_of(&self.folder), &self.owner) {
            let _ = remove(&self.folder);
        }
        // The folder of all claims goes with the last.
        let _ = self.folder.parent().map(std::fs::remove_dir);
    }
}

/// Makes a claim's folder in that of all claims, which goes with the last of them: it may have gone in between.
fn make(folder: &Path) -> std::io::Result<()> {
    let parent = folder.parent().unwrap_or(Path::new(""));
    let mut made = Err(NotFound.into());
    for _ in 0..100 {
        fs::create_dir_all(parent)?;
        made = std::fs::create_dir(folder);
        if !matches!(&made, Err(error) if error.kind() == NotFound) {
            break;
        }
    }
    made
}

fn owner_of(folder: &Path) -> PathBuf {
    folder.join("owner")
}

fn is(path: &Path, owner: &str) -> bool {
    std::fs::read_to_string(path).is_ok_and(|found| found == owner)
}

fn host() -> String {
    let name = rustix::system::uname();
    name.nodename().to_string_lossy().into_owned()
}

/// Whether the process that made a claim is gone: by its number if it was on this host, or for want of a sign of life,
/// for another process may have its number now.
fn is_stale(folder: &Path, owner: &str, host: &str) -> Result<bool> {
    let own = owner.strip_prefix("process ");
    let own = own.and_then(|rest| rest.split_once(" on "));
    let own = own.filter(|(_, rest)| rest.split(' ').next() == Some(host));
    let process = own.and_then(|(process, _)| Pid::from_raw(process.parse().ok()?));
    let gone = Err(rustix::io::Errno::SRCH);
    if process.is_some_and(|process| test_kill_process(process) == gone) {
        return Ok(true);
    }
    // Both times are those of the file system, whatever the clocks of its machines say.
    let now = tempfile::NamedTempFile::new_in(folder.parent().unwrap_or(folder));
    let now = now.and_then(|file| file.as_file().metadata()?.modified())?;
    let last = fs::metadata(owner_of(folder)).or_else(|_| fs::metadata(folder));
    let last = last.and_then(|last| last.modified());
    let age = last.map(|last| now.duration_since(last).unwrap_or_default());
    // One that cannot be seen any more has just been given back.
    let limit = if owner.is_empty() { MOMENT } else { STALE };
    Ok(age.map_or(true, |age| age > limit))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn a_claim_keeps_others_out_until_it_is_dropped() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("claims/base");
        let claim = Claim::take(place.clone()).unwrap();
        let error = Claim::take(place.clone()).unwrap_err();
        assert!(matches!(error, Error::Claimed { .. }), "{error}");
        let process = format!("process {}", std::process::id());
        assert!(error.to_string().contains(&process), "{error}");
        let other = Claim::take(root.path().join("claims/head")).unwrap();
        drop(claim);
        drop(Claim::take(place).unwrap());
        drop(other);
        assert!(!root.path().join("claims").exists());
    }

    /// The folder of all claims comes and goes under those who make theirs in it.
    #[test]
    fn claims_of_other_jobs_are_in_nobody_s_way() {
        let root = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for job in 0..4 {
                let place = root.path().join(format!("claims/{job}"));
                scope.spawn(move || {
                    for _ in 0..300 {
                        drop(Claim::take(place.clone()).unwrap());
                    }
                });
            }
        });
    }

    #[test]
    fn what_a_dead_process_has_left_is_taken_over() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("claims/base");
        fs::create_dir_all(&place).unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let dead = child.id();
        child.wait().unwrap();
        fs::write(
            owner_of(&place),
            format!("process {dead} on {} (since 1)", host()),
        )
        .unwrap();
        let claim = Claim::take(place.clone()).unwrap();
        drop(claim);
        // Of another host, after two minutes.
        fs::create_dir_all(&place).unwrap();
        fs::write(owner_of(&place), "process 1 on elsewhere (since 1)").unwrap();
        assert!(Claim::take(place.clone()).is_err());
        let old = SystemTime::now() - 2 * STALE;
        let file = File::options().write(true).open(owner_of(&place)).unwrap();
        file.set_modified(old).unwrap();
        drop(Claim::take(place.clone()).unwrap());
        assert!(!place.exists());
        // Of this host, where another process has its number now.
        fs::create_dir_all(&place).unwrap();
        let owner = format!("process {} on {} (since 1)", std::process::id(), host());
        fs::write(owner_of(&place), owner).unwrap();
        assert!(Claim::take(place.clone()).is_err());
        let file = File::options().write(true).open(owner_of(&place)).unwrap();
        file.set_modified(old).unwrap();
        drop(Claim::take(place.clone()).unwrap());
    }

    /// As when a process is killed before it has written its name.
    #[test]
    fn a_claim_of_nobody_is_free_after_a_moment() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("claims/base");
        fs::create_dir_all(&place).unwrap();
        drop(Claim::take(place.clone()).unwrap());
        assert!(!place.exists());
    }

    #[test]
    fn of_many_at_once_one_has_it() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("claims/base");
        let threads = [(); 8].map(|()| {
            spawn({
                let place = place.clone();
                move || Claim::take(place).ok()
            })
        });
        let claims = threads.map(|thread| thread.join().unwrap());
        assert_eq!(claims.iter().flatten().count(), 1);
    }
}
