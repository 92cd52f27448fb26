//! Who reads while rosters are confirmed and older ones go.

use super::*;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn a_reader_beside_completions_finds_what_it_began_to_read() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    sync(&ledger, &people(0..20, 1));
    let stop = AtomicBool::new(false);
    let reads = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut reads = 0;
                    while !stop.load(Ordering::SeqCst) {
                        let covered = ledger.coverage(&group()).unwrap();
                        assert!(covered.len() >= 18, "{}", covered.len());
                        let member = ledger.membership(&group(), "e-7", 1).unwrap();
                        assert!(member.covered.is_some());
                        assert_eq!(ledger.records(&group(), &[id("e-7")]).unwrap().len(), 1);
                        reads += 1;
                    }
                    reads
                })
            })
            .collect();
        // What each of them builds on changes all the time, and so do the files that nothing builds on.
        for version in 2..120 {
            sync(&ledger, &people((version % 3) as usize..20, version));
        }
        stop.store(true, Ordering::SeqCst);
        readers.into_iter().map(|reader| reader.join().unwrap()).sum::<u64>()
    });
    assert!(reads > 0);
    // Nothing is kept longer than somebody reads it.
    sync(&ledger, &people(0..20, 200));
    sync(&ledger, &people(0..20, 201));
    is_well(&ledger);
    drop(ledger);
    is_well(&open(dir.path()));
}
