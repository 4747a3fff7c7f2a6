import Foundation
import Testing

/// The built `millrace` program as its users start it.
///
/// Not with Foundation's `Process`, which on Linux can wait for ever for a child that was killed.
final class MillraceProcess {
    private let id: pid_t
    private let directory: URL
    private var status: Int32?

    /// Beside the test bundle: `swift build` and `swift test` share the folder.
    static let executable: URL = {
        let bundle = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        let candidates = [
            bundle.appendingPathComponent("millrace"),
            URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
                "../../.build/debug/millrace"),
        ]
        return candidates.first { FileManager.default.isExecutableFile(atPath: $0.path) } ?? candidates[1]
    }()

    static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().standardizedFileURL

    struct DidNotStart: Error {}

    init(_ arguments: [String], environment: [String: String] = [:]) throws {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("millrace-run-" + unique())
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        for (descriptor, name) in [(Int32(1), "out"), (2, "err")] {
            posix_spawn_file_actions_addopen(
                &actions, descriptor, directory.path + "/" + name, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        }
        // Nothing of ours may stay open in it. Closing what is not open is no error here.
        for descriptor in Int32(3)..<256 { posix_spawn_file_actions_addclose(&actions, descriptor) }
        let path = MillraceProcess.executable.path
        var texts = ([path] + arguments).map { strdup($0) } + [nil]
        let merged = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        var variables = merged.map { strdup($0.key + "=" + $0.value) } + [nil]
        defer { for text in texts + variables { free(text) } }
        var id = pid_t()
        guard posix_spawn(&id, path, &actions, nil, &texts, &variables) == 0 else { throw DidNotStart() }
        self.id = id
    }

    deinit {
        if isRunning { kill() }
        try? FileManager.default.removeItem(at: directory)
    }

    /// Asks the kernel; once it has ended, the exit status, or 128 and the signal.
    private func poll(_ options: Int32) -> Int32? {
        if status == nil {
            var code: Int32 = 0
            if waitpid(id, &code, options) == id {
                status = code & 0x7F == 0 ? (code >> 8) & 0xFF : 128 + (code & 0x7F)
            }
        }
        return status
    }

    var isRunning: Bool { poll(WNOHANG) == nil }

    /// What went to standard error and standard output so far.
    var standardError: String { text("err") }
    var standardOutput: String { text("out") }
    private func text(_ name: String) -> String {
        (try? String(contentsOf: directory.appendingPathComponent(name), encoding: .utf8)) ?? ""
    }

    /// Largest resident memory so far, MiB; 0 once it has ended.
    var peakMemoryMebibytes: Int {
        let status = (try? String(contentsOfFile: "/proc/\(id)/status", encoding: .utf8)) ?? ""
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }) else { return 0 }
        return (Int(line.split(whereSeparator: { !$0.isNumber }).first ?? "0") ?? 0) / 1024
    }

    func kill() {
        guard isRunning else { return }
        _ = Foundation.kill(id, SIGKILL)
        _ = poll(0)
    }

    func pause() { if isRunning { _ = Foundation.kill(id, SIGSTOP) } }
    func resume() { _ = Foundation.kill(id, SIGCONT) }
    func interrupt() { if isRunning { _ = Foundation.kill(id, SIGINT) } }
    func hangUp() { if isRunning { _ = Foundation.kill(id, SIGHUP) } }
    func terminate() { if isRunning { _ = Foundation.kill(id, SIGTERM) } }

    /// Waits for the end, at most `seconds`; returns the exit status.
    func wait(seconds: Double = 60) throws -> Int32 {
        let deadline = Date().addingTimeInterval(seconds)
        while isRunning {
            guard Date() < deadline else {
                kill()
                Issue.record("millrace did not end within \(seconds) s; standard error:\n\(standardError)")
                return -1
            }
            usleep(5000)
        }
        return status ?? -1
    }
}

/// Polls until a condition holds.
func eventually(_ what: String, seconds: Double = 30, _ condition: () throws -> Bool) throws {
    let deadline = Date().addingTimeInterval(seconds)
    while try !condition() {
        guard Date() < deadline else {
            Issue.record("timed out after \(seconds) s: \(what)")
            throw TimedOut()
        }
        usleep(20_000)
    }
}

struct TimedOut: Error {}
