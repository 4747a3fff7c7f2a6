import Foundation
import Testing

@testable import MillraceEngine

/// When a changed model file is read, in virtual time, and how files are told apart.
struct ModelChangeTests {
    /// A reference, because `#expect` takes no mutating calls.
    private final class Watched {
        private var change: ModelChange
        init(_ loaded: FileStamp?) { change = ModelChange(loaded: loaded) }
        func look(_ stamp: FileStamp?, now: Int64) -> Bool { change.look(stamp, now: now) }
        func adopted(_ stamp: FileStamp?) { change.adopted(stamp) }
        func refuse(_ stamp: FileStamp?) { change.refuse(stamp) }
    }

    private func stamp(inode: UInt64 = 1, size: Int64 = 10, written: Int64 = 5, changed: Int64? = nil) -> FileStamp {
        FileStamp(entries: [
            .init(path: "", device: 1, inode: inode, size: size, written: written, changed: changed ?? written)
        ])
    }

    @Test func whatIsLoadedIsNotReadAgain() {
        let change = Watched(stamp())
        for second in 0..<5 { #expect(!change.look(stamp(), now: Int64(second) * 1_000_000)) }
        #expect(!change.look(nil, now: 9_000_000))
    }

    @Test func aRenameIsReadAtOnce() {
        let change = Watched(stamp())
        #expect(change.look(stamp(inode: 2, written: 7, changed: 8), now: 0))
    }

    @Test func aFileThatIsWrittenInPlaceMustStandStill() {
        let change = Watched(stamp(size: 100))
        var now: Int64 = 0
        // It grows for five seconds, in steps shorter than the time to settle.
        for step in 0..<20 {
            #expect(!change.look(stamp(size: Int64(step), written: 10 + Int64(step)), now: now))
            now += 250_000
        }
        let last = stamp(size: 20, written: 40)
        #expect(!change.look(last, now: now))
        #expect(!change.look(last, now: now + 999_999))
        #expect(change.look(last, now: now + 1_000_000))
        change.adopted(last)
        #expect(!change.look(last, now: now + 9_000_000))
    }

    @Test func aGapStartsTheWaitAnew() {
        let change = Watched(stamp())
        let other = stamp(inode: 2, written: 9)
        #expect(!change.look(other, now: 0))
        #expect(!change.look(nil, now: 500_000))
        #expect(!change.look(other, now: 1_200_000))
        #expect(change.look(other, now: 2_200_000))
    }

    @Test func aRefusedFileIsLeftAloneUntilItChanges() {
        let change = Watched(stamp())
        let bad = stamp(inode: 2, written: 7, changed: 8)
        #expect(change.look(bad, now: 0))
        change.refuse(bad)
        #expect(!change.look(bad, now: 60_000_000))
        #expect(change.look(stamp(inode: 3, written: 9, changed: 10), now: 61_000_000))
        // The old file is put back: it is what is loaded.
        #expect(!change.look(stamp(), now: 62_000_000))
    }

    @Test func halfReadFilesAreNotUsed() {
        #expect(ModelChange.isWhole(before: stamp(), after: stamp()))
        #expect(!ModelChange.isWhole(before: stamp(), after: stamp(size: 11)))
        #expect(!ModelChange.isWhole(before: nil, after: nil))
    }

    @Test func directoriesHaveTheStampsOfTheirFiles() throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("stamp-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: directory) }
        let inner = directory.appendingPathComponent("variables/deep")
        try FileManager.default.createDirectory(at: inner, withIntermediateDirectories: true)
        #expect(FileStamp(path: directory.path) == nil)
        #expect(FileStamp(path: directory.path + "/nothing") == nil)
        try Data("a".utf8).write(to: directory.appendingPathComponent("saved_model.pb"))
        try Data("b".utf8).write(to: inner.appendingPathComponent("data"))
        let first = try #require(FileStamp(path: directory.path))
        #expect(first.entries.map(\.path) == ["saved_model.pb", "variables/deep/data"])
        #expect(FileStamp(path: directory.path) == first)
        try Data("bb".utf8).write(to: inner.appendingPathComponent("data"))
        #expect(FileStamp(path: directory.path) != first)
    }

    @Test func renamedFilesAreKnown() throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("stamp-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: directory) }
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let (new, old) = (directory.path + "/new", directory.path + "/old")
        // Written and nothing else: FileManager would set its rights behind the write, a tick later now and then.
        let file = try #require(fopen(new, "w"))
        fputs("a", file)
        fclose(file)
        #expect(try #require(FileStamp(path: new)).isComplete == false)
        // Longer than a tick of the kernel's clock of files.
        usleep(20_000)
        #expect(rename(new, old) == 0)
        #expect(try #require(FileStamp(path: old)).isComplete)
    }
}
