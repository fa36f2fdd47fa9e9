//! Whose turn it is to write to a database, where several sinks of this process have the same one.
//!
//! SQLite has one writer at a time. Another one asks again and again, with pauses, and may never hit
//! one of the short moments between the transactions of a busy writer. Here they queue, first come,
//! first served. Writers of other processes are still waited for as SQLite does.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

use crate::place::Identity;

/// The queue in front of each database that is open.
static QUEUES: Mutex<Vec<(Identity, Weak<Queue>)>> = Mutex::new(Vec::new());

/// Held by whoever opens a database, or removes what one has left beside it.
static NAMES: Mutex<()> = Mutex::new(());

/// Fair, unlike a mutex of the standard library.
type Queue = tokio::sync::Mutex<()>;

/// A place in front of one database.
#[derive(Clone, Debug)]
pub(super) struct Turn(Arc<Queue>);

impl Turn {
    /// In front of this file.
    pub(super) fn of(file: Identity) -> Turn {
        let mut queues = QUEUES.lock().unwrap_or_else(PoisonError::into_inner);
        queues.retain(|(_, queue)| queue.strong_count() > 0);
        let mut known = queues.iter().filter(|(other, _)| *other == file);
        if let Some(queue) = known.find_map(|(_, queue)| queue.upgrade()) {
            return Turn(queue);
        }
        let queue = Arc::new(Queue::new(()));
        queues.push((file, Arc::downgrade(&queue)));
        Turn(queue)
    }

    /// Waits until everyone has written who came before. Not to be called by a task of a runtime.
    pub(super) fn wait(&self) -> OwnedMutexGuard<()> {
        self.0.clone().blocking_lock_owned()
    }
}

/// Waits until nobody else opens a database by its name, or removes what one has left beside it: what
/// one of them has just created is not to be taken for something left over.
pub(super) fn names() -> MutexGuard<'static, ()> {
    NAMES.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[cfg(unix)]
    #[test]
    fn those_of_one_file_queue() {
        let folder = tempfile::tempdir().unwrap();
        let turn = |name: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, "").unwrap();
            Turn::of(Identity::of(&path).unwrap())
        };
        let (one, again, other) = (turn("a"), turn("a"), turn("b"));
        let held = one.wait();
        drop(other.wait());
        let (told, heard) = mpsc::channel();
        let waits = thread::spawn(move || {
            let held = again.wait();
            told.send(()).unwrap();
            drop(held);
        });
        assert_eq!(heard.try_recv(), Err(mpsc::TryRecvError::Empty));
        drop(held);
        heard.recv().unwrap();
        waits.join().unwrap();
    }
}
