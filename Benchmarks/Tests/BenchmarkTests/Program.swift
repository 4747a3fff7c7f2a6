import Foundation
import Testing

/// A benchmark program as its users start it.
enum Program {
    static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().standardizedFileURL

    /// The engine: `MILLRACE`, else the debug build of the package around this one.
    static let millrace =
        ProcessInfo.processInfo.environment["MILLRACE"]
        ?? repository.appendingPathComponent(".build/debug/millrace").path
    static let hasMillrace = FileManager.default.isExecutableFile(atPath: millrace)

    /// `MILLRACE_TEST_BOOTSTRAP`: without it `bench` starts a broker itself.
    static let broker = ProcessInfo.processInfo.environment["MILLRACE_TEST_BOOTSTRAP"].flatMap { $0.isEmpty ? nil : $0 }

    /// Runs a program that stands beside the test bundle; returns its exit status and what it printed.
    static func run(_ name: String, _ arguments: [String]) throws -> (status: Int32, text: String) {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent(
            "millrace-benchmark-" + UUID().uuidString)
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let output = directory.appendingPathComponent("output").path
        let path = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().appendingPathComponent(
            name
        ).path
        // A file, not a pipe: what the program starts may live on and hold a pipe open.
        let command = "exec \"$0\" \"$@\" >'\(output)' 2>&1 </dev/null"
        var texts = (["sh", "-c", command, path] + arguments).map { strdup($0) } + [nil]
        defer { for text in texts { free(text) } }
        var id = pid_t()
        try #require(posix_spawn(&id, "/bin/sh", nil, nil, &texts, environ) == 0)
        var status: Int32 = 0
        while waitpid(id, &status, 0) < 0, errno == EINTR {}
        let code = status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
        return (code, (try? String(contentsOfFile: output, encoding: .utf8)) ?? "")
    }
}
