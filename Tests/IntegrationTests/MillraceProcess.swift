import Foundation
import Testing

/// The built `millrace` program as its users start it.
final class MillraceProcess: @unchecked Sendable {
    // `lock` guards the collected text, the only state that the pipe's handler shares.
    private let process = Process()
    private let errors = Pipe()
    private let output = Pipe()
    private var errorText = Data()
    private let lock = NSLock()

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

    init(_ arguments: [String], environment: [String: String] = [:]) throws {
        process.executableURL = MillraceProcess.executable
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardError = errors
        process.standardOutput = output
        errors.fileHandleForReading.readabilityHandler = { [self] handle in
            let data = handle.availableData
            lock.withLock { errorText.append(data) }
        }
        try process.run()
    }

    var isRunning: Bool { process.isRunning }

    /// What went to standard error so far.
    var standardError: String { lock.withLock { String(decoding: errorText, as: UTF8.self) } }

    func kill() {
        Foundation.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        errors.fileHandleForReading.readabilityHandler = nil
    }

    func interrupt() { process.interrupt() }
    func terminate() { process.terminate() }

    /// Waits for the end, at most `seconds`; returns the exit status.
    func wait(seconds: Double = 60) throws -> Int32 {
        let deadline = Date().addingTimeInterval(seconds)
        while process.isRunning {
            guard Date() < deadline else {
                kill()
                Issue.record("millrace did not end within \(seconds) s; standard error:\n\(standardError)")
                return -1
            }
            usleep(5000)
        }
        errors.fileHandleForReading.readabilityHandler = nil
        lock.withLock { errorText.append(errors.fileHandleForReading.availableDataWithoutBlocking) }
        return process.terminationStatus
    }

    func standardOutput() -> String {
        String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    }
}

extension FileHandle {
    fileprivate var availableDataWithoutBlocking: Data {
        var descriptor = pollfd(fd: fileDescriptor, events: Int16(POLLIN), revents: 0)
        return poll(&descriptor, 1, 0) > 0 ? readDataToEndOfFile() : Data()
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
