import Foundation
import Testing

@testable import MillracePostgres

@Suite struct PrivatePostgresTests {
    private func make(_ content: String = "") throws -> String {
        let directory = "/tmp/millrace-pg-test" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: directory + "/data", withIntermediateDirectories: true)
        return directory
    }

    /// A directory whose owner is gone goes; one whose owner lives, and one that is nobody's, stay.
    @Test func leftoversGoAtTheNextStart() throws {
        let (left, owned, foreign) = (try make(), try make(), try make())
        defer { for each in [left, owned, foreign] { try? FileManager.default.removeItem(atPath: each) } }
        close(try #require(PrivatePostgres.takeLock(of: left, creating: true)))
        let lock = try #require(PrivatePostgres.takeLock(of: owned, creating: true))
        PrivatePostgres.removeLeftovers(binaries: "/nowhere")
        #expect(!FileManager.default.fileExists(atPath: left))
        #expect(FileManager.default.fileExists(atPath: owned))
        #expect(FileManager.default.fileExists(atPath: foreign))
        close(lock)
        PrivatePostgres.removeLeftovers(binaries: "/nowhere")
        #expect(!FileManager.default.fileExists(atPath: owned))
    }

    /// The command runs, and the directory goes, when the other end of the pipe is closed: by us or by the kernel.
    @Test func watchdogWaitsForTheEnd() throws {
        let directory = try make()
        let watchdog = try #require(
            PrivatePostgres.Watchdog(stop: ["touch", directory + "-stopped"], remove: directory))
        defer { try? FileManager.default.removeItem(atPath: directory + "-stopped") }
        usleep(100_000)
        #expect(FileManager.default.fileExists(atPath: directory))
        watchdog.callIn()
        #expect(!FileManager.default.fileExists(atPath: directory))
        #expect(FileManager.default.fileExists(atPath: directory + "-stopped"))
    }
}
